# SPDX-License-Identifier: MIT
"""Exceptions of all kinds."""

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


def plain():
    raise ValueError("a message", 7)


def empty():
    raise ValueError()


def custom():
    raise Custom("x")


def chained():
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer") from error


def context():
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904 - the context is what is tested


def suppressed():
    try:
        raise KeyError("hidden")
    except KeyError:
        raise ValueError("shown") from None


def cycle():
    first = ValueError("first")
    second = ValueError("second")
    first.__cause__ = second
    second.__cause__ = first
    raise first


def long_chain(n):
    error = None
    for number in range(n):
        new = ValueError(number)
        new.__cause__ = error
        error = new
    raise error


def bad_text():
    raise BadText("x")


def bad_arg():
    raise ValueError(BadRepr())


def no_args():
    raise NoArgs("x")


def odd_arg():
    raise ValueError(object(), {1, 2}, open)


def odd_text():
    raise ValueError("a\0b\ud800c")


def huge():
    raise ValueError("x" * 3_000_000)


def notes():
    error = ValueError("with notes")
    error.__notes__ = ["first note", "second note"]
    raise error


def attributes():
    error = ValueError("with attributes")
    error.code = 404
    error.where = {"line": 3, "text": "x"}
    error._hidden = 1
    raise error


def group():
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])  # noqa: F821 - from 3.11


def deep(n):
    return deep(n - 1) if n else 1 // 0


def recursion():
    return recursion()


def system_exit(code):
    sys.exit(code)


def keyboard_interrupt():
    raise KeyboardInterrupt


def base_exception():
    raise BaseException("base")


def cancelled_error():
    raise asyncio.CancelledError("by itself")


def call_cancelled():
    raise pyisolate.CallCancelled("by itself")


def generator_exit():
    raise GeneratorExit


def stop_iteration():
    raise StopIteration(1)


def memory_error():
    raise MemoryError


def unencodable():
    return {"key": [1, object()]}


def raising_module():
    import missing_module_of_this_test  # noqa: F401


def alive():
    return True
