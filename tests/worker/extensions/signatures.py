# SPDX-License-Identifier: MIT
"""Signatures of all kinds, compared with what Python itself makes of them."""

import datetime
import functools
import inspect
import typing

import pyisolate
from pyisolate import _describe, _loader


class Local:
    pass


class BadRepr:
    def __repr__(self):
        raise RuntimeError("no repr")


def wraps(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def nothing():
    pass


def kinds(a, /, b, *args, c, **kwargs):
    pass


def only_positional(a, b=1, /):
    pass


def only_keywords(*, a, b=2):
    pass


def all_defaults(a=1, b="x", *, c=None, d=(1, 2), **e):
    pass


def builtin_types(a: int, b: str = "x", *c: bytes, d: float = 0.5, **e: bool) -> None:
    pass


def other_types(a: datetime.date, b: Local = None) -> datetime.timedelta:
    pass


def generics(a: list[int], b: dict[str, list[int]] = ()) -> tuple[int, ...]:
    pass


def of_typing(a: typing.Optional[int], b: typing.Any = None) -> typing.Union[int, str]:
    pass


def texts(a: "int", b: "Local | None" = None) -> "list[Local]":
    pass


def strange(a: 5, b: None, c: [1, 2] = 3) -> ...:
    pass


@wraps
def wrapped(a: int, b=2):
    pass


@functools.lru_cache
def cached(a, b=2):
    return a


partial = functools.partial(kinds, 1, c=3)
partial.__module__ = __name__


async def coroutine(a: int) -> int:
    return a


def locals_after(a, b):
    c, d = a, b
    return c, d


class WithMethods(pyisolate.ExtensionBase):
    def method(self, a: int, b=2) -> int:
        """Of an object."""

    def any_first(*args):
        pass

    @wraps
    def wrapped_method(self, a):
        pass

    @staticmethod
    def static(a, b=1):
        pass

    @classmethod
    def of_class(cls, a):
        pass

    @functools.wraps(kinds)
    def pretending(self, a):
        pass

    async def coroutine_method(self, a, *, b):
        pass

    @functools.singledispatchmethod
    def dispatched(self, a, *, b=1):
        return ["any", b]

    @dispatched.register
    def _(self, a: int, *, b=2):
        return ["int", b]

    preset = functools.partialmethod(dispatched, "text")

    def bad_default(self, a=BadRepr()):  # noqa: B008
        pass

    def compare(self):
        """Where this runtime and Python differ."""
        differences = []
        functions = [value for value in globals().values() if inspect.isfunction(value)]
        functions += [cached, partial]
        functions += [method.function for method in _loader._find_methods(None, self)]
        for function in functions:
            if getattr(function, "__name__", "") == "bad_default":
                continue
            expected = inspect.signature(function)
            text, parameters, _returns = _describe._signature_of(function)
            kinds = [(one.name, one.kind.name) for one in expected.parameters.values()]
            if text != str(expected) or [(one["name"], one["kind"]) for one in parameters] != kinds:
                differences.append([text, str(expected)])
        return [len(functions), differences]
