# SPDX-License-Identifier: MIT
"""The codec under one interpreter: exactness, and descriptors."""

import datetime
import gc
import os
import random
import sys
import unittest

import _test_codec as codec
from codec_values import (
    SEED,
    SLOW,
    TABLE,
    ZONE,
    Color,
    Doubler,
    Number,
    Permission,
    Point,
    RandomValues,
    Vector,
    same,
    show,
)


def setUpModule():
    print(f"# {sys.version.split()[0]}, PYISOLATE_TEST_SEED={SEED}", flush=True)


class Exactness(unittest.TestCase):
    def round_trip(self, value):
        body = codec.encode(value)
        text, normal = codec.glib_print("v", body)
        self.assertTrue(normal, text)
        codec.check("v", body)
        back = codec.decode(body)
        self.assertTrue(
            same(value, back), f"{show(value)} came back as {show(back)} from {text[:200]}"
        )
        return back

    def test_table(self):
        for value in TABLE:
            with self.subTest(value=show(value)[:60]):
                self.round_trip(value)
                self.round_trip([value])
                self.round_trip((value, "x", value))
                self.round_trip({"k": value, "l": [value, value]})

    def test_table_at_once(self):
        self.round_trip(TABLE)

    def test_unaligned(self):
        for value in TABLE:
            body = codec.encode(value)
            for shift in range(1, 8):
                self.assertTrue(same(value, codec.decode(body, (), shift)))

    def test_memoryview_equal(self):
        for value in TABLE:
            if isinstance(value, memoryview):
                self.assertEqual(value, self.round_trip(value))

    def test_memoryview_is_usable(self):
        view = self.round_trip(memoryview(bytearray(8)).cast("i"))
        view[1] = 77
        self.assertEqual(view.tolist(), [0, 77])
        with self.assertRaises(TypeError):
            self.round_trip(memoryview(b"abc"))[0] = 1
        with self.assertRaises(TypeError):
            type(self.round_trip(memoryview(b"12345678").cast("d")).obj)()

    def test_datetimes_are_equal(self):
        value = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=ZONE, fold=1)
        back = self.round_trip(value)
        self.assertEqual(value, back)
        self.assertEqual(value.utcoffset(), back.utcoffset())
        self.assertIs(self.round_trip(datetime.timezone.utc), datetime.timezone.utc)

    def test_enum_members_are_identical(self):
        for member in (*Color, *Number, *Permission):
            self.assertIs(member, self.round_trip(member))

    def test_init_of_a_dataclass_does_not_run(self):
        self.assertEqual(self.round_trip(Doubler(3, 2)).n, 6)

    def test_calls(self):
        for args, kwargs in (
            ((), {}),
            ((1,), {}),
            ((), {"a": None}),
            (tuple(TABLE), {f"k{i}": v for i, v in enumerate(TABLE)}),
            ((None,) * 1000, {"ä": 1}),
        ):
            body = codec.encode_call(args, kwargs)
            text, normal = codec.glib_print("(ava{sv})", body)
            self.assertTrue(normal, text)
            codec.check("(ava{sv})", body)
            self.assertTrue(same((args, kwargs), codec.decode_call(body)))
        self.assertEqual(codec.decode_call(codec.encode_call((1,))), ((1,), {}))

    def test_natural_forms(self):
        for value, text in (
            (5, "<int64 5>"),
            (True, "<true>"),
            (1.0, "<1.0>"),
            ("s", "<'s'>"),
            (b"a", "<[byte 0x61]>"),
            ([1], "<[int64 1]>"),
            ([1.0], "<[1.0]>"),
            (["a"], "<['a']>"),
            ([True], "<[true]>"),
            ([], "<@av []>"),
            ([1, "a"], "<[<int64 1>, <'a'>]>"),
            ((1, "a"), "<(int64 1, 'a')>"),
            ({}, "<@a{sv} {}>"),
            ({"a": 1}, "<{'a': int64 1}>"),
            ({"a": 1.0}, "<{'a': 1.0}>"),
            ({"a": "b"}, "<{'a': 'b'}>"),
            ({"a": True}, "<{'a': true}>"),
            ({"a": []}, "<{'a': <@av []>}>"),
            (None, "<objectpath '/pyisolate/None'>"),
            ((), "<objectpath '/pyisolate/EmptyTuple'>"),
            (2**64, "<(objectpath '/pyisolate/int', <'0x10000000000000000'>)>"),
            (
                Point(1),
                "<(objectpath '/pyisolate/object', <('test.Point', "
                "{'x': <int64 1>, 'y': <objectpath '/pyisolate/None'>})>)>",
            ),
            (Color.RED, "<(objectpath '/pyisolate/object', <('test.Color', 'RED')>)>"),
            (Vector(1), "<(objectpath '/pyisolate/ext', <('test.Vector', [int64 1])>)>"),
        ):
            with self.subTest(value=repr(value)):
                self.assertEqual(codec.glib_print("v", codec.encode(value))[0], text)

    def test_dbus_types_from_c(self):
        for text, value in (
            ("byte 200", 200),
            ("int16 -5", -5),
            ("uint16 65535", 65535),
            ("int32 -5", -5),
            ("uint32 4294967295", 2**32 - 1),
            ("int64 -5", -5),
            ("uint64 18446744073709551615", 2**64 - 1),
            ("true", True),
            ("1.5", 1.5),
            ("'s'", "s"),
            ("objectpath '/a/b'", "/a/b"),
            ("objectpath '/pyisolatex'", "/pyisolatex"),
            ("signature 'a{sv}'", "a{sv}"),
            ("<<<5>>>", 5),
            ("@an [1, 2]", [1, 2]),
            ("@as []", []),
            ("@aay [b'x', b'']", [b"x\0", b"\0"]),
            ("[('a', 1), ('b', 2)]", [("a", 1), ("b", 2)]),
            ("@a(yx) [(1, 2)]", [(1, 2)]),
            ("@a(yay) [(1, b'')]", [(1, b"\0")]),
            ("@a{uv} {1: <2>}", {1: 2}),
            ("@a{ys} {1: 'x'}", {1: "x"}),
            ("@a{yy} {1: 2, 3: 4}", {1: 2, 3: 4}),
            ("@a{xd} {1: 2}", {1: 2.0}),
            ("@a{ob} {'/x': true}", {"/x": True}),
            ("@a{sas} {'a': ['b'], 'c': []}", {"a": ["b"], "c": []}),
            ("@a{da{sv}} {1.5: {'a': <1>}}", {1.5: {"a": 1}}),
            ("(<1>, <'a'>)", (1, "a")),
            ("@a(ov) [('/x', <1>)]", [("/x", 1)]),
            ("(objectpath '/x', <1>)", ("/x", 1)),
            ("(objectpath '/pyisolate/int', <'-0xff'>)", -255),
            (
                "(objectpath '/pyisolate/datetime', <'2024-01-01T00:00:00+01:00'>)",
                datetime.datetime(
                    2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))
                ),
            ),
            ("@a(nyt) [(1, 2, 3), (4, 5, 6)]", [(1, 2, 3), (4, 5, 6)]),
            ("[[1.0], [], [2.0, 3.0]]", [[1.0], [], [2.0, 3.0]]),
        ):
            with self.subTest(text=text):
                body = codec.glib_serialise(text)
                codec.check("v", body)
                self.assertTrue(same(codec.decode(body), value), codec.decode(body))

    def test_random_values(self):
        rng = random.Random(SEED)
        for _ in range(20000 if SLOW else 2000):
            value = RandomValues(rng).any(rng.choice((1, 2, 3, 4)))
            try:
                self.round_trip(value)
            except ValueError as error:
                self.assertIn("nested deeper", str(error))


class Descriptors(unittest.TestCase):
    def setUp(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        self.before = set(os.listdir("/proc/self/fd"))
        self.read, self.write = read, write

    def tearDown(self):
        gc.collect()
        self.assertEqual(self.before, set(os.listdir("/proc/self/fd")))

    def test_round_trip(self):
        first, second = codec.FileDescriptor(self.write), codec.FileDescriptor(self.read)
        value = [first, ("a", second), {"k": first}]
        body, numbers = codec.encode_with_fds(value)
        self.assertEqual(len(numbers), 3)
        self.assertTrue(all(not os.get_inheritable(n) for n in numbers))
        back = codec.decode(body, tuple(numbers))
        for number in numbers:
            os.close(number)
        os.write(back[0].fileno(), b"hi")
        self.assertEqual(os.read(back[1][1].fileno(), 2), b"hi")
        os.write(back[2]["k"].fileno(), b"ho")
        self.assertEqual(os.read(self.read, 2), b"ho")
        self.assertEqual(
            codec.glib_print("v", body)[0],
            "<[<handle 0>, <('a', handle 1)>, <{'k': <handle 2>}>]>",
        )

    def test_same_number_same_object(self):
        body = codec.glib_serialise("[handle 0, handle 0]")
        first, second = codec.decode(body, (self.read,))
        self.assertIs(first, second)

    def test_ownership(self):
        fd = codec.FileDescriptor(self.read)
        self.assertNotEqual(fd.fileno(), self.read)
        with fd:
            pass
        with self.assertRaises(ValueError):
            fd.fileno()
        fd.close()
        self.assertIn("closed", repr(fd))
        with self.assertRaises(ValueError):
            codec.encode_with_fds(fd)
        fd = codec.FileDescriptor(self.read)
        number = fd.detach()
        del fd
        os.fstat(number)
        os.close(number)
        with self.assertRaises(OSError):
            codec.FileDescriptor(10**6)

    def test_failure_closes_what_was_duplicated(self):
        with self.assertRaises(TypeError):
            codec.encode_with_fds([codec.FileDescriptor(self.read), object()])

    def test_thrown_away_attempts(self):
        """The second key asks for another form after the first value has been written."""
        value = {"a": codec.FileDescriptor(self.read), "\0": {1: codec.FileDescriptor(self.write)}}
        body, numbers = codec.encode_with_fds(value)
        self.assertEqual(len(numbers), 2)
        back = codec.decode(body, tuple(numbers))
        for number in numbers:
            os.close(number)
        os.write(back["\0"][1].fileno(), b"x")
        self.assertEqual(os.read(back["a"].fileno(), 1), b"x")

    def test_where_none_can_go(self):
        with self.assertRaisesRegex(TypeError, "FileDescriptor"):
            codec.encode(codec.FileDescriptor(self.read))

    def test_numbers_out_of_range(self):
        for text in ("handle 0", "handle 1", "handle -1"):
            with self.assertRaisesRegex(ValueError, "file descriptor"):
                codec.decode(codec.glib_serialise(text), () if text == "handle 0" else (self.read,))


if __name__ == "__main__":
    unittest.main()
