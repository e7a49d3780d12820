# SPDX-License-Identifier: MIT
"""What an extension with isolated=False gets instead of memory that it must not write to."""

import dataclasses
import unittest

import pyisolate
from host_helper import HostTest

WRITER = """
import dataclasses


def write(*args, **kwargs):
    for value in [*args, *kwargs.values()]:
        write_one(value)


def write_one(value):
    if isinstance(value, dict):
        write(*value.values())
    elif isinstance(value, (list, tuple)):
        write(*value)
    elif dataclasses.is_dataclass(value):
        write_one(value.data)
    elif hasattr(value, "fill_"):
        value.fill_(7)
    elif isinstance(value, bytearray):
        value[0] = 7
    else:
        view = memoryview(value)
        if not view.readonly:
            view[0] = 7


def look(value):
    return [type(value).__name__, memoryview(value).readonly]


def give(value):
    return value
"""


@dataclasses.dataclass(frozen=True)
class Holder:
    data: object


class ReadOnly(HostTest):
    def test_read_only(self):
        """The same as in a worker: what can be written to is another than the host's."""
        manager = self.make_manager()
        here = self.load(manager, WRITER, "here", isolated=False)
        there = self.load(manager, WRITER, "there")
        pyisolate.register_type(Holder, "Holder")

        def make():
            tensor = pyisolate.zeros(4, "uint8")
            shared = pyisolate.share(pyisolate.zeros(4, "uint8"), readonly=True)
            view = memoryview(bytearray(4))
            return [tensor, shared, bytearray(4), view, memoryview(bytes(4))]

        for value in make():
            there_too = there.options(readonly=True).sync.look(value)
            self.assertEqual(there_too, here.options(readonly=True).sync.look(value))
        values = make()
        nested = {"key": (values[0], [Holder(values[2])]), "view": values[3]}
        here.options(readonly=True).sync.write(*values, nested, more=nested)
        self.assertEqual([bytes(4)] * 5, [bytes(value) for value in values])
        here.sync.write(*values)
        self.assertEqual([7, 0, 7, 7, 0], [bytes(value)[0] for value in values])

        async def main():
            values = make()
            await here.options(readonly=True).write(*values, nested)
            self.assertEqual([bytes(4)] * 5, [bytes(value) for value in values])

        self.run_async(main())

    def test_read_only_layouts(self):
        give = (
            self.load(self.make_manager(), WRITER, isolated=False).options(readonly=True).sync.give
        )
        shared = pyisolate.share(pyisolate.zeros(4, "uint8"), readonly=True)
        self.assertIs(shared, give(shared))
        for view in (
            memoryview(bytes(range(12))).cast("B", (3, 4)),
            memoryview(bytearray(16)).cast("d"),
            memoryview(bytearray(range(10)))[::2],
        ):
            got = give(view)
            self.assertEqual((view, view.format, view.readonly), (got, got.format, got.readonly))
        thing = object()
        cycle = [thing, bytearray(1)]
        cycle += [cycle, cycle[1]]
        got = give(cycle)
        self.assertIs(got, got[2])
        self.assertIs(thing, got[0])
        self.assertIs(got[1], got[3])
        self.assertIsNot(cycle[1], got[1])


if __name__ == "__main__":
    unittest.main()
