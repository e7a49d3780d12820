# SPDX-License-Identifier: MIT
"""Lists and dicts of one type, and what the codec keeps of them from one value to the next."""

import enum
import gc
import sys
import tracemalloc
import unittest

import _test_codec as codec

INT64 = (-(2**63), 2**63 - 1)
# About the ints that are made once, those of CPython's own, and what is no int64.
EDGES = [
    -(2**63),
    -(2**31),
    -6,
    -5,
    -1,
    0,
    1,
    255,
    256,
    257,
    1022,
    1023,
    1024,
    1025,
    2**31,
    2**63 - 1,
]


class Level(enum.IntEnum):
    LOW = 1


class Whole(int):
    pass


class Real(float):
    pass


class Word(str):
    __slots__ = ()


class Items(list):
    pass


def echo(value):
    return codec.decode(codec.encode(value))


def type_of(value):
    """The type string of what a value is encoded as."""
    return codec.encode(value).rpartition(b"\0")[2].decode()


def types(value):
    return [type(item) for item in value]


class Lists(unittest.TestCase):
    def assert_echo(self, value, type_string):
        self.assertEqual(type_of(value), type_string)
        result = echo(value)
        self.assertEqual(result, value)
        self.assertEqual(types(result), types(value))
        return result

    def test_edges_of_ints(self):
        self.assert_echo(EDGES, "ax")
        for number in EDGES:
            self.assert_echo([number], "ax")
            self.assertEqual(echo(number), number)
            self.assertEqual(echo((number,)), (number,))
            self.assertEqual(echo({"n": number}), {"n": number})

    def test_beyond_int64(self):
        """One item that does not fit, wherever it stands, and all are variants."""
        for huge in (INT64[0] - 1, INT64[1] + 1, 2**64, -(2**100)):
            for at in (0, 500, 999):
                value = list(range(1000))
                value[at] = huge
                self.assert_echo(value, "av")
            self.assert_echo({"a": 1, "b": huge}, "a{sv}")

    def test_bool_is_no_int(self):
        self.assert_echo([True, False, True], "ab")
        for value in ([1, True], [True, 1], [0, 1, False], [True, 1.0], [1.0, True]):
            self.assert_echo(value, "av")
        self.assert_echo({"a": 1, "b": True}, "a{sv}")
        self.assert_echo({"a": True, "b": False}, "a{sb}")

    def test_mixed(self):
        """A list of one type but for its last item comes back as it was, with what follows."""
        for kind in (1, 1.5, "s", True):
            for other in (None, b"b", [1], {"k": 1}, (), 2**70, "nul\0", 1, 1.5, "s", True):
                if type(other) is type(kind) and other == kind:
                    continue
                value = [kind] * 300 + [other]
                self.assert_echo(value, "av")
                self.assertEqual(echo([value, kind, value]), [value, kind, value])
                self.assertEqual(echo({"v": value, "w": kind}), {"v": value, "w": kind})

    def test_subclasses(self):
        """Only exact types: what a subclass adds would be lost."""
        for item in (Level.LOW, Whole(1), Real(1.5), Word("s"), Items([1])):
            for value in (
                [item],
                [1, item],
                [1.5, item],
                ["s", item],
                {"a": item},
                {"a": 1, "b": item},
            ):
                with self.assertRaisesRegex(TypeError, "cannot send a value of type"):
                    codec.encode(value)
        with self.assertRaisesRegex(TypeError, "cannot send a value of type"):
            codec.encode(Items([1, 2]))

    def test_sizes(self):
        for n in (0, 1, 2, 3, 4, 7, 8, 9, 63, 64, 65, 1000, 5000):
            self.assertEqual(echo(list(range(n))), list(range(n)))
            self.assertEqual(echo([i / 3 for i in range(n)]), [i / 3 for i in range(n)])
            self.assertEqual(echo([f"é{i}" for i in range(n)]), [f"é{i}" for i in range(n)])
            self.assertEqual(echo([i % 2 == 0 for i in range(n)]), [i % 2 == 0 for i in range(n)])
            self.assertEqual(echo({f"k{i}": i for i in range(n)}), {f"k{i}": i for i in range(n)})

    def test_lists_can_change(self):
        """What comes out is a list as any other, whoever put its items in."""
        for value in ([1, 2, 3], [1.5] * 20, list(range(2000))):
            result = echo(value)
            result.append("more")
            result[0] = None
            del result[1]
            result.sort(key=str)
            self.assertEqual(len(result), len(value))
            self.assertTrue(gc.is_tracked(result))

    def test_grown_lists(self):
        """Lists that have more room than items, or lost some at their beginning."""
        value = []
        for i in range(100):
            value.append(i)
            self.assertEqual(echo(value), value)
        del value[:50]
        self.assertEqual(echo(value), list(range(50, 100)))
        value.clear()
        self.assertEqual(echo(value), [])

    def test_bad_sizes(self):
        """An array of numbers whose size is none of theirs."""
        for good in ([1, 2], [1.5, 2.5]):
            body = codec.encode(good)
            data, tail = body[:16], body[16:]
            self.assertEqual(codec.decode(data + tail), good)
            for n in (1, 7, 9, 15):
                with self.assertRaisesRegex(ValueError, "malformed value"):
                    codec.decode(data[:n] + tail)


class Inside(unittest.TestCase):
    """Without knowing what objects are like inside all is the same, if slower."""

    def tearDown(self):
        codec.know_objects(True)

    def test_is_known(self):
        known = codec.know_objects(True)
        self.assertEqual(sorted(known), ["float", "int", "list", "str", "tuple"])
        # A later one may lay some of them out in another way.
        if sys.version_info < (3, 14):
            self.assertTrue(all(known.values()), known)

    def assert_same(self, values):
        bodies = [codec.encode(value) for value in values]
        self.assertEqual([codec.decode(body) for body in bodies], values)
        codec.know_objects(False)
        self.assertEqual([codec.encode(value) for value in values], bodies)
        self.assertEqual([codec.decode(body) for body in bodies], values)
        codec.know_objects(True)

    def test_lists_and_tuples(self):
        self.assert_same([[1.5, -0.0], [True, False], ["a", "é", ""], [1, None], [], [[1], [2.5]]])
        self.assert_same([[1, True], [1, 2**64], [1.0, 1], ["a", "\0"], [None, {"a": [1]}, b"x"]])
        self.assert_same([(1,), (1.5, "a"), ((1, 2), [3], ()), tuple(range(60)), ({}, None)])
        values = [EDGES, [1.5, -0.0], [True, False], (1, "a", 2.5), [1, None]]
        for known in (True, False):
            codec.know_objects(known)
            for value in values:
                self.assertEqual(types(echo(value)), types(value))

    def test_ints(self):
        powers = [sign * 2**n + near for n in range(70) for near in (-1, 0, 1) for sign in (1, -1)]
        self.assert_same(powers)
        self.assert_same([powers])
        self.assert_same([[number, number] for number in powers])
        self.assert_same([{"a": number, "b": number} for number in powers])
        self.assert_same([[number, None] for number in powers])

    def test_floats(self):
        floats = [0.0, 1.5, -2.25, 1e300, 5e-324, float("inf"), -float("inf")]
        self.assert_same([*floats, floats, dict.fromkeys("abc", 0.1), (0.5, 1.5), [0.5, None]])

    def test_texts(self):
        """Of all lengths, with and without what makes them other than ASCII or not a plain text."""
        for length in range(70):
            text = "a text that has no end"[:length].ljust(length, "-")
            texts = [text, text + "é", "€" + text, text + "\U0001f600", text + "\x7f"]
            self.assert_same(texts)
            self.assert_same([texts, [*texts, None], dict.fromkeys(texts, 1), dict.fromkeys(texts)])
            self.assert_same([dict(zip(texts, texts)), tuple(texts)])
        for length in range(1, 70):
            for at in {0, 1, length // 2, length - 2, length - 1} & set(range(length)):
                text = "x" * at + "\0" + "y" * (length - at - 1)
                self.assert_same([text, [text], [text, None], {text: 1}, {"a": text}, {text: text}])


class Kept(unittest.TestCase):
    """Keys and small ints are had again, and nobody can tell."""

    def test_keys_are_shared(self):
        first, second = echo({"some-key": 1}), echo({"some-key": "other"})
        self.assertIs(next(iter(first)), next(iter(second)))

    def test_keys_of_all_lengths(self):
        for length in range(70):
            for letter in "aé\U0001f600":
                key = letter * length
                for value in ({key: 1}, {key: 1, key + "b": 2.5}, {key: "s"}):
                    self.assertEqual(echo(value), value)
                    self.assertEqual(echo(value), value)

    def test_more_keys_than_are_kept(self):
        value = {f"key {i}": i for i in range(20000)}
        self.assertEqual(echo(value), value)
        self.assertEqual(list(echo(value)), list(value))

    def test_many_keys_hold_little(self):
        """What was kept of keys goes when others come."""
        bodies = [codec.encode({f"{i}:{j}": 1 for j in range(1000)}) for i in range(60)]
        for body in bodies[:10]:
            codec.decode(body)
        gc.collect()
        tracemalloc.start()
        try:
            for body in bodies[10:]:
                codec.decode(body)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertLess(held, 512 * 200)

    def test_known_keys_are_checked_too(self):
        """Bytes that begin, or end, like a key that is known are looked at all the same."""
        body = codec.encode({"known": 1.5})
        self.assertEqual(codec.decode(body), {"known": 1.5})
        # The entry ends with its one offset, where the key ends: 6.
        at = body.index(b"known")
        for bad in (
            body.replace(b"known\0\0", b"known\0x"),  # the padding
            body.replace(b"known\0", b"know\0\0"),  # a NUL within
            body.replace(b"known\0", b"known!"),  # none at its end
            body.replace(b"known\0", b"kno\xff\xfe\0"),  # no UTF-8
            body[: at + 16] + b"\x07" + body[at + 17 :],  # a longer key, of the padding's zeros
            body[: at + 16] + b"\x05" + body[at + 17 :],  # a shorter one
            body[: at + 16] + b"\x00" + body[at + 17 :],  # none
        ):
            self.assertNotEqual(bad, body)
            with self.assertRaisesRegex(ValueError, "malformed value|can't decode byte"):
                codec.decode(bad)
            self.assertEqual(codec.decode(body), {"known": 1.5})

    def test_small_ints(self):
        for number in (0, 256, 257, 1023):
            self.assertIs(
                codec.decode(codec.encode(number)), codec.decode(codec.encode([number]))[0]
            )
        before = [sys.getrefcount(echo(n)) for n in (300, 1000)]
        for _ in range(100):
            echo([300, 1000] * 10)
        self.assertEqual([sys.getrefcount(echo(n)) for n in (300, 1000)], before)

    def test_types_at_other_depths(self):
        """A type that was good where it stood before may be nested too deep here."""

        def most(sign, members):
            def decodes(n):
                body = bytes(8 * members) + b"\0" + sign + b"\0v" * n
                try:
                    return codec.decode(body) is not None
                except ValueError as error:
                    self.assertRegex(str(error), "malformed value")
                    return False

            good = [n for n in range(80) if decodes(n)]
            self.assertEqual(good, [n for n in reversed(range(80)) if decodes(n)][::-1])
            self.assertEqual(good, list(range(len(good))))
            return len(good)

        self.assertEqual(most(b"(dd)", 2), most(b"d", 1) - 1)
        self.assertEqual(most(b"((dd))", 2), most(b"(dd)", 2) - 1)
        self.assertEqual(most(b"((dd)d)", 3), most(b"((dd))", 2))
        self.assertEqual(most(b"a(dd)", 2), most(b"((dd))", 2))

    def test_bad_short_types(self):
        for sign in (b"(d", b"d)", b"()", b"aa", b"{sv}", b"a{vs}", b"mx", b"dd", b"(dd)d"):
            for _ in range(2):
                with self.assertRaisesRegex(ValueError, "malformed value"):
                    codec.decode(bytes(16) + b"\0" + sign)
            self.assertEqual(codec.decode(bytes(16) + b"\0(dd)"), (0.0, 0.0))

    def test_results_are_apart(self):
        """The encoder's buffer is used again: what it gave before stays as it was."""
        values = [{"n": i, "text": "x" * (i % 97)} for i in range(300)]
        bodies = [codec.encode(value) for value in values]
        large = codec.encode(["y" * 100000])
        self.assertEqual([codec.decode(body) for body in bodies], values)
        self.assertEqual(codec.decode(large), ["y" * 100000])
        with self.assertRaises(TypeError):
            codec.encode([1, "x" * 50000, object()])
        self.assertEqual(echo(values), values)


if __name__ == "__main__":
    unittest.main()
