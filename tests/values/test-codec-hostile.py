# SPDX-License-Identifier: MIT
"""Bytes that are no values."""

import contextlib
import itertools
import random
import sys
import unittest

import _test_codec as codec
from codec_values import BAD_PAYLOADS, SEED, SLOW, TABLE


def setUpModule():
    print(f"# {sys.version.split()[0]}, PYISOLATE_TEST_SEED={SEED}", flush=True)


class Hostile(unittest.TestCase):
    def test_bad_payloads(self):
        tags = (
            "int",
            "str",
            "bytearray",
            "memoryview",
            "tuple",
            "set",
            "frozenset",
            "dict",
            "complex",
            "datetime",
            "date",
            "time",
            "timedelta",
            "timezone",
            "ZoneInfo",
            "Decimal",
            "UUID",
            "PurePosixPath",
            "PosixPath",
            "WindowsPath",
            "object",
            "ext",
            "x",
        )
        for tag, payload in itertools.product(tags, BAD_PAYLOADS):
            body = codec.glib_serialise(f"(objectpath '/pyisolate/{tag}', <{payload}>)")
            codec.check("v", body)
            with contextlib.suppress(ValueError):
                value = codec.decode(body)
                self.assertEqual(type(value).__name__, tag)

    def test_named_errors(self):
        for text, message in (
            ("objectpath '/pyisolate/x'", "unknown constant '/pyisolate/x'"),
            ("(objectpath '/pyisolate/os', <1>)", "unknown tag 'os'"),
            (
                "(objectpath '/pyisolate/object', <('nobody', 1)>)",
                "no class is registered under the name 'nobody': call pyisolate.register_type",
            ),
            (
                "(objectpath '/pyisolate/ext', <('nobody', 1)>)",
                "no encoder is registered under the name 'nobody'",
            ),
        ):
            with self.assertRaisesRegex(ValueError, message):
                codec.decode(codec.glib_serialise(text))

    def test_windows_path(self):
        body = codec.glib_serialise("(objectpath '/pyisolate/WindowsPath', <'c:\\\\x'>)")
        with self.assertRaises(ValueError):
            codec.decode(body)

    def test_not_of_dbus(self):
        for text in ("@ms nothing", "@mi 5", "@() ()", "[@() ()]", "{1, 'x'}"):
            body = codec.glib_serialise(text)
            for function in (codec.decode, lambda b: codec.check("v", b)):
                with self.assertRaises(ValueError):
                    function(body)

    def test_deep_types(self):
        deep_types = ["a" * 33 + "y", "(" * 33 + "y" + ")" * 33, "a{s" * 33 + "y" + "}" * 33]
        for kind in deep_types:
            body = b"\0" + kind.encode()
            for function in (codec.decode, lambda b: codec.check("v", b)):
                with self.assertRaises(ValueError):
                    function(body)
        self.assertEqual(codec.decode(b"\0" + b"a" * 32 + b"y"), [])
        body = b"\5\0y"
        for _ in range(63):
            codec.check("v", body)
            self.assertEqual(codec.decode(body), 5)
            body += b"\0v"
        codec.check("v", body)
        for _ in range(200):
            body += b"\0v"
            with self.assertRaises(ValueError):
                codec.decode(body)
            with self.assertRaises(ValueError):
                codec.check("v", body)

    def agree(self, body):
        """Both checks take the same bytes, and never what GLib does not call normal."""
        try:
            codec.check("v", body)
            accepted = True
        except ValueError:
            accepted = False
        try:
            value = codec.decode(body)
        except TypeError:
            # Of a decoder that was registered above, which takes its argument for a list.
            self.assertIn(b"/pyisolate/ext", body)
            self.assertTrue(accepted)
        except ValueError as error:
            if "malformed value" in str(error) and "payload" not in str(error):
                structural = "unknown" not in str(error) and "descriptor" not in str(error)
                self.assertFalse(accepted and structural, (body, error))
        else:
            self.assertTrue(accepted, body)
            self.assertTrue(codec.glib_print("v", body)[1], body)
            return value
        if accepted:
            self.assertTrue(codec.glib_print("v", body)[1], body)
        return None

    def test_mutations(self):
        rng = random.Random(SEED)
        bodies = [codec.encode(value) for value in TABLE]
        bodies = [body for body in bodies if len(body) < 3000]
        bodies += [
            codec.glib_serialise(text)
            for text in (
                "@a{uv} {1: <2>, 2: <'x'>}",
                "[('a', 1, <2>), ('b', 2, <'x'>)]",
                "@aan [[1], [2, 3], []]",
                "@a{yy} {1: 2}",
                "[(byte 1, true, signature 'a{sv}'), (2, false, '')]",
                "@a(ay(yx)) [([1, 2], (3, 4))]",
            )
        ]
        survivors = 0
        for number in range(200000 if SLOW else 20000):
            body = bytearray(rng.choice(bodies))
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                kind = rng.randrange(6)
                at = rng.randrange(len(body) + 1)
                if kind == 0 and at < len(body):
                    body[at] ^= 1 << rng.randrange(8)
                elif kind == 1 and at < len(body):
                    body[at] = rng.choice((0, 1, 2, 8, 127, 128, 255, len(body) & 255))
                elif kind == 2:
                    del body[at : at + rng.choice((1, 1, 8))]
                elif kind == 3:
                    body[at:at] = bytes(rng.choice((1, 7, 8)))
                elif kind == 4:
                    body[at:at] = rng.choice(
                        (b"v", b"s", b"(", b")", b"av", b"a{sv}", b"\0v", b"m")
                    )
                else:
                    body = body[: max(at, 1)] + bytearray(rng.choice(bodies))[at:]
            try:
                survivors += self.agree(bytes(body)) is not None
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"number {number}: {bytes(body)!r}") from error
        print(f"# {survivors} mutations were values")
        self.assertGreater(survivors, 0)

    def test_truncations(self):
        for value in TABLE:
            body = codec.encode(value)
            if len(body) < 2000:
                for length in range(len(body)):
                    self.agree(body[:length])
                    self.agree(body[length:])

    def test_calls(self):
        rng = random.Random(SEED)
        for args, kwargs in (
            ((), {}),
            ((1,), {}),
            (("a", None, [1.5], b"\0"), {}),
            ((1, "a"), {"k": [1]}),
            ((None,) * 40, {"a": 1, "b": 2}),
        ):
            body = codec.encode_call(args, kwargs)
            for _ in range(3000):
                mutated = bytearray(body)
                mutated[rng.randrange(len(body))] = rng.randrange(256)
                try:
                    decoded = codec.decode_call(bytes(mutated))
                except ValueError:
                    continue
                codec.check("(ava{sv})", bytes(mutated))
                self.assertIs(type(decoded[0]), tuple)
                self.assertIs(type(decoded[1]), dict)


if __name__ == "__main__":
    unittest.main()
