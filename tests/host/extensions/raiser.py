# SPDX-License-Identifier: MIT
"""Raises in every way."""

import sys


class OddError(Exception):
    """Its qualified name says where it is."""

    class Inner(Exception):
        pass


def plain(message):
    raise ValueError(message)


def with_args():
    raise OSError(2, "not there", "/some/file")


def with_odd_args():
    raise KeyError(object)


def own():
    raise OddError.Inner("of the extension")


def with_cause():
    try:
        {}["missing"]
    except KeyError as error:
        raise RuntimeError("because of that") from error


def with_context():
    try:
        int("x")
    except ValueError:
        raise RuntimeError("while handling it")  # noqa: B904


def suppressed():
    try:
        int("x")
    except ValueError:
        raise RuntimeError("alone") from None


def with_notes():
    error = ValueError("noted")
    error.__notes__ = ["first", "second"]
    raise error


def unprintable():
    class Broken(Exception):
        def __str__(self):
            raise SystemError

    raise Broken


def odd_text():
    raise ValueError("nul \0 surrogate \udc80 end")


def exits(code):
    sys.exit(code)


def interrupts():
    raise KeyboardInterrupt


def stops():
    raise StopIteration("odd")


def recursion():
    return recursion()


def chain(length):
    if length > 0:
        try:
            chain(length - 1)
        except ValueError as error:
            raise ValueError(length) from error
    raise ValueError("first")


def fine():
    return "fine"
