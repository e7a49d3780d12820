# SPDX-License-Identifier: MIT
"""What an exception holds beside its arguments, in either direction: groups, attributes."""

import builtins
import unittest

import pyisolate
from host_helper import HostTest
from shared_api import HostAPI

# Before Python 3.11 a host has no groups: they come as what Python has no class of.
ExceptionGroup = getattr(builtins, "ExceptionGroup", pyisolate.RemoteError)

EXTENSION = """
import asyncio

from shared_api import HostAPI


class OwnError(Exception):
    kind = "of the class"

    def __init__(self, text, code):
        super().__init__(text)
        self.code = code
        self.where = {"line": 3}
        self.odd = object()
        self.add_note = "a method's name"
        self.none = None
        self._hidden = 1


class OwnGroup(ExceptionGroup):
    def derive(self, members):
        return OwnGroup(self.message, members)


async def tasks():
    async with asyncio.TaskGroup() as group:
        group.create_task(one(ValueError("one", 1)))
        group.create_task(one(KeyError("two")))


async def one(error):
    raise error


def nested():
    try:
        raise OSError(2, "why")
    except OSError as error:
        inner = ExceptionGroup("inner", [OwnError("own", 404), ValueError("value")])
        raise ExceptionGroup("outer", [inner, TypeError("type")]) from error


def with_base():
    raise BaseExceptionGroup("base", [KeyboardInterrupt("ctrl"), ValueError("value")])


def own_group():
    raise OwnGroup("own", [ValueError("value")])


def large():
    raise ExceptionGroup("large", [ValueError(i) for i in range(1000)])


def huge():
    text = "x" * 60000
    try:
        raise ValueError("why")
    except ValueError as error:
        members = [ValueError(i, *[text] * 60) for i in range(30)]
        raise ExceptionGroup("huge", members) from error


def deep():
    error = ValueError("leaf")
    for i in range(30):
        error = ExceptionGroup(str(i), [error])
    raise error


def own():
    raise OwnError("own", 404)


def missing():
    import no_such_module_anywhere.sub


def unnamed():
    nowhere


def without():
    return [].nothing


async def of_host():
    try:
        await HostAPI().fail("group")
    except* ValueError as caught:
        values = [list(error.args) for error in caught.exceptions]
    except* RuntimeError as caught:
        codes = [error.code for error in caught.exceptions]
    return values, codes


async def passed_on():
    await HostAPI().fail("group")
"""


class Exceptions(HostTest):
    def setUp(self):
        super().setUp()
        manager = self.make_manager()
        self.ext = self.load(manager, EXTENSION, apis=[HostAPI], python=">=3.11")

    def raised(self, method, kind=BaseException):
        with self.assertRaises(kind) as caught:
            getattr(self.ext.sync, method)()
        return caught.exception

    def test_group(self):
        error = self.raised("tasks", ExceptionGroup)
        self.assertRegex(error.message, "^unhandled errors in a TaskGroup")
        value, key = error.exceptions
        self.assertIsInstance(value, ValueError)
        self.assertIsInstance(key, KeyError)
        self.assertEqual([("one", 1), ("two",)], [value.args, key.args])
        self.assertIn("in one\n", error.remote_traceback)

    def test_nested_groups(self):
        error = self.raised("nested", ExceptionGroup)
        inner, second = error.exceptions
        own, value = inner.exceptions
        self.assertRegex(f"{error.message} / {inner.message}", "^outer.* / inner")
        self.assertEqual([TypeError, ValueError], [type(second), type(value)])
        self.assertEqual(("OwnError", 404), (type(own).__name__, own.code))
        self.assertIsInstance(error.__cause__, FileNotFoundError)
        # Once, for all of it.
        self.assertEqual(1, len(error.__notes__))
        self.assertEqual([[]] * 3, [getattr(one, "__notes__", []) for one in (inner, own, second)])

    def test_group_with_what_is_no_error(self):
        """What is never raised as what it is in a host is not in a group either."""
        error = self.raised("with_base", ExceptionGroup)
        interrupt, value = error.exceptions
        self.assertIsInstance(interrupt, pyisolate.RemoteError)
        self.assertEqual(
            ("KeyboardInterrupt", ("ctrl",)), (type(interrupt).__name__, interrupt.args)
        )
        self.assertIsInstance(value, ValueError)

    def test_group_of_another_class(self):
        error = self.raised("own_group", pyisolate.RemoteError)
        self.assertEqual("OwnGroup", type(error).__name__)
        self.assertEqual([("value",)], [one.args for one in error.exceptions])

    def test_large_groups(self):
        error = self.raised("large", ExceptionGroup)
        self.assertEqual(list(range(64)), [one.args[0] for one in error.exceptions])
        self.assertIn("936 exceptions left out", error.__notes__[0])
        error = self.raised("deep", ExceptionGroup)
        names = []
        while getattr(error, "exceptions", ()):
            names.append(error.message.split()[0])
            (error,) = error.exceptions
        self.assertEqual([str(i) for i in range(29, 22, -1)], names)
        self.assertIsInstance(error, pyisolate.RemoteError)

    def test_more_than_can_travel(self):
        """100 MiB of exceptions are no answer, so the first of them are told of."""
        error = self.raised("huge", ExceptionGroup)
        numbers = [one.args[0] for one in error.exceptions]
        self.assertEqual(list(range(len(numbers))), numbers)
        self.assertIn(len(numbers), range(1, 30))
        self.assertIn(f"{30 - len(numbers)} exceptions left out", error.__notes__[0])
        self.assertEqual(60000, len(error.exceptions[0].args[60]))

    def test_attributes(self):
        error = self.raised("own", pyisolate.RemoteError)
        self.assertEqual("own", str(error))
        self.assertEqual((404, {"line": 3}), (error.code, error.where))
        self.assertRegex(error.odd, "<object object at ")
        if hasattr(Exception, "add_note"):
            self.assertTrue(callable(error.add_note))
        for name in ("kind", "none", "_hidden"):
            self.assertFalse(hasattr(error, name), name)

    def test_attributes_of_builtin_classes(self):
        error = self.raised("missing", ModuleNotFoundError)
        self.assertEqual("no_such_module_anywhere", error.name)
        self.assertEqual("nowhere", self.raised("unnamed", NameError).name)
        self.assertEqual("nothing", self.raised("without", AttributeError).name)

    def test_module_that_is_missing_when_loaded(self):
        ext = self.load(self.make_manager(), "import no_such_module_anywhere", "broken")
        with self.assertRaises(pyisolate.LoadError) as caught:
            ext.sync.anything()
        self.assertEqual("no_such_module_anywhere", caught.exception.__cause__.name)

    @unittest.skipUnless(hasattr(builtins, "ExceptionGroup"), "a host of Python 3.11 or later")
    def test_from_the_host(self):
        self.assertEqual(([["a", 1]], [7]), self.ext.sync.of_host())
        error = self.raised("passed_on", ExceptionGroup)
        value, own = error.exceptions
        self.assertEqual((("a", 1), 7), (value.args, own.code))


if __name__ == "__main__":
    unittest.main()
