# SPDX-License-Identifier: MIT
"""Exceptions of the other process, raised again in this one. A host has this file too."""

import builtins


class RemoteError(Exception):
    """An error of the other process's.

    Either one of the library's own, with its domain, code and message; or the base of an exception
    whose class there is only in the other process: then its class has that name.
    """

    __module__ = "pyisolate"

    domain = ""
    code = -1
    message = ""
    remote_traceback = None

    def __init__(self, domain: str, code: int, message: str):
        self.args = domain, code, message  # an OSError would make an errno and a file of them
        self.domain = domain
        self.code = code
        self.message = message

    def __str__(self):
        return self.message


_classes: dict = {}

# More names than these would be those of somebody who wants our memory.
MAX_CLASSES = 1000

# A name that arrives never makes these: they mean something to whoever runs our code.
NOT_RAISED = ("KeyboardInterrupt", "SystemExit", "GeneratorExit", "CancelledError")


def restore(type_name, message, traceback, args, notes, cause=None, context=None, shown=True):
    """The exception: of the built-in class of that name, or of a class derived from RemoteError.

    shown: its traceback is a note of it, too. That of a cause is a part of what it has caused.
    """
    error = _new(type_name, message, args)
    _attach(error, traceback, notes, shown)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = cause is not None
    return error


def restore_described(described, shown=True):
    """The same from the dict that _errors.describe() makes."""
    traceback = described.get("traceback")

    def other(name):
        inner = described.get(name)
        if not isinstance(inner, dict):
            return None
        return restore_described(inner, shown and not traceback)

    return restore(
        str(described.get("type", "Exception")),
        str(described.get("message", "")),
        traceback,
        described.get("args", ()),
        described.get("notes", ()),
        other("cause"),
        other("context"),
        shown,
    )


def _new(type_name, message, args):
    cls = getattr(builtins, type_name, None)
    if (
        isinstance(cls, type)
        and issubclass(cls, BaseException)
        and type_name not in NOT_RAISED
        and not type_name.endswith("ExceptionGroup")
    ):
        try:
            return cls(*args)
        except Exception:
            # UnicodeDecodeError and the like, whose arguments did not all travel.
            error = cls.__new__(cls)
            error.args = tuple(args)
            return error
    error = _new_class(type_name).__new__(_new_class(type_name), *args)
    error.args = tuple(args)
    error.message = message
    error.code = REMOTE_EXCEPTION
    error.domain = DOMAIN
    return error


DOMAIN = "PyIsolateError"
REMOTE_EXCEPTION = 13


def _new_class(type_name):
    cls = _classes.get(type_name)
    if cls is not None:
        return cls
    module, _, name = type_name.rpartition(".")
    if len(_classes) >= MAX_CLASSES:
        return RemoteError
    cls = type(name or "RemoteError", (RemoteError,), {"__module__": module or "pyisolate"})
    _classes[type_name] = cls
    return cls


def note_of(traceback):
    return "In the other process:\n" + traceback.rstrip("\n")


def _attach(error, traceback, notes, shown):
    error.remote_traceback = traceback
    texts = [note for note in notes or () if isinstance(note, str)]
    if traceback and shown:
        texts.append(note_of(traceback))
    if hasattr(error, "add_note"):
        for text in texts:
            error.add_note(text)
    else:
        error.__notes__ = texts
