# SPDX-License-Identifier: MIT
"""Exceptions of all kinds, from coroutines."""

import asyncio
import sys

import pyisolate


class Custom(Exception):
    pass


class BadText(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class BadRepr:
    def __repr__(self):
        raise RuntimeError("no repr")


class NoArgs(Exception):
    @property
    def args(self):
        raise RuntimeError("no args")


async def plain():
    raise ValueError("a message", 7)


async def empty():
    raise ValueError()


async def custom():
    raise Custom("x")


async def chained():
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer") from error


async def context():
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904 - the context is what is tested


async def suppressed():
    try:
        raise KeyError("hidden")
    except KeyError:
        raise ValueError("shown") from None


async def cycle():
    first = ValueError("first")
    second = ValueError("second")
    first.__cause__ = second
    second.__cause__ = first
    raise first


async def long_chain(n):
    error = None
    for number in range(n):
        new = ValueError(number)
        new.__cause__ = error
        error = new
    raise error


async def bad_text():
    raise BadText("x")


async def bad_arg():
    raise ValueError(BadRepr())


async def no_args():
    raise NoArgs("x")


async def odd_arg():
    raise ValueError(object(), {1, 2}, open)


async def odd_text():
    raise ValueError("a\0b\ud800c")


async def huge():
    raise ValueError("x" * 3_000_000)


async def notes():
    error = ValueError("with notes")
    error.__notes__ = ["first note", "second note"]
    raise error


async def attributes():
    error = ValueError("with attributes")
    error.code = 404
    error.where = {"line": 3, "text": "x"}
    error._hidden = 1
    raise error


async def group():
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])  # noqa: F821 - from 3.11


async def deep(n):
    return await deep(n - 1) if n else 1 // 0


async def recursion():
    return await recursion()


async def system_exit(code):
    sys.exit(code)


async def keyboard_interrupt():
    raise KeyboardInterrupt


async def base_exception():
    raise BaseException("base")


async def cancelled_error():
    raise asyncio.CancelledError("by itself")


async def call_cancelled():
    raise pyisolate.CallCancelled("by itself")


async def generator_exit():
    raise GeneratorExit


async def stop_iteration():
    raise StopIteration(1)


async def memory_error():
    raise MemoryError


async def unencodable():
    return {"key": [1, object()]}


async def raising_module():
    import missing_module_of_this_test  # noqa: F401


async def alive():
    return True
