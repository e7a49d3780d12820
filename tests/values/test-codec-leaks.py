# SPDX-License-Identifier: MIT
"""What the codec keeps, and what it imports."""

import contextlib
import datetime
import decimal
import gc
import pathlib
import subprocess
import sys
import unittest
import uuid
import zoneinfo

import _test_codec as codec
from codec_values import BAD_PAYLOADS, TABLE, Point


class Leaks(unittest.TestCase):
    def measure(self, action):
        """A lost block shows at each turn; the interpreter's own caches are full after a while."""
        turns = 200
        growth = []
        for _ in range(20):
            before = sys.getallocatedblocks()
            for _ in range(turns):
                action()
            gc.collect()
            growth.append(sys.getallocatedblocks() - before)
            if growth[-1] < turns / 2:
                return
        self.fail(f"{turns} turns left {growth} blocks")

    def test_round_trips(self):
        values = [value for value in TABLE if len(codec.encode(value)) < 3000]

        def action():
            for value in values:
                codec.decode(codec.encode(value))

        self.measure(action)

    def test_failures(self):
        values = [[1, {"a": (1, {object()})}], {1: object()}, Point(object()), "x" * 10, [{}] * 3]
        values += [
            datetime.datetime(
                2024, 1, 1, tzinfo=type("Z", (datetime.tzinfo,), {"utcoffset": lambda s, w: None})()
            )
        ]
        bodies = [codec.encode(value) for value in TABLE]
        bodies = [body[:-1] + b"?" for body in bodies if len(body) < 2000]
        bodies += [
            codec.glib_serialise(f"(objectpath '/pyisolate/{tag}', <{payload}>)")
            for tag in ("int", "dict", "set", "object", "timezone", "memoryview", "datetime")
            for payload in self.payloads()
        ]

        def action():
            for value in values:
                with contextlib.suppress(TypeError):
                    codec.encode(value)
            for body in bodies:
                with contextlib.suppress(ValueError):
                    codec.decode(body)

        self.measure(action)

    @staticmethod
    def payloads():
        return BAD_PAYLOADS

    def test_reference_counts(self):
        marker = "a marker of some length"
        key = "a key of some length"
        value = {key: [marker, (marker, {marker}), {1: marker}], "x": [marker] * 3}
        before = sys.getrefcount(marker), sys.getrefcount(key)
        for _ in range(100):
            codec.encode(value)
            codec.encode_call((value,), {"k": value})
        self.assertEqual(before, (sys.getrefcount(marker), sys.getrefcount(key)))

    def test_collectable(self):
        for value in codec.decode(codec.encode([Point(1), memoryview(bytearray(8)).cast("d")])):
            self.assertEqual(sys.getrefcount(value), 3 if sys.version_info < (3, 14) else 2)


class Imports(unittest.TestCase):
    """An extension that uses no dates must not pay for the modules of dates."""

    SCRIPT = """
import sys
import _test_codec as codec
LAZY = {"datetime", "decimal", "uuid", "pathlib", "zoneinfo", "numpy", "dataclasses", "struct"}
before = LAZY & set(sys.modules)
for value in (1, [None, {"a": (1, 2.0)}], {1, 2}, 2**100, b"x", memoryview(b"x"), bytearray()):
    assert codec.decode(codec.encode(value)) == value
try:
    codec.encode(object())
except TypeError:
    pass
new = (LAZY & set(sys.modules)) - before
assert new <= {"struct"}, new
bodies = eval(sys.stdin.read())
print([str(codec.decode(body)) for body in bodies])
"""

    def test_lazily(self):
        values = [
            datetime.date(2024, 1, 2),
            decimal.Decimal("1.5"),
            uuid.UUID(int=5),
            pathlib.PurePosixPath("/x"),
            zoneinfo.ZoneInfo("UTC"),
        ]
        result = subprocess.run(
            [sys.executable, "-S", "-c", self.SCRIPT],
            input=repr([codec.encode(value) for value in values]),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=30,
        )
        self.assertEqual(result.stdout.strip(), str([str(value) for value in values]))


if __name__ == "__main__":
    unittest.main()
