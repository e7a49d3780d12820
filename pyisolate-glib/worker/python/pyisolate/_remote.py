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
    exceptions = ()

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


# And these are made of the exceptions that they hold. The module is for Python before 3.11.
GROUPS = {
    f"{module}{name}"
    for module in ("", "exceptiongroup.")
    for name in ("ExceptionGroup", "BaseExceptionGroup")
}


def grouped(error):
    """The exceptions of an exception group, of whichever class; () of any other exception."""
    if all(kind.__name__ != "BaseExceptionGroup" for kind in type(error).__mro__):
        return ()
    members = getattr(error, "exceptions", ())
    if type(members) is not tuple:
        return ()
    return tuple(one for one in members if isinstance(one, BaseException))


def restore(described, shown=True):
    """The exception of which _errors.describe() made a dict.

    It is of the built-in class of that name, or of a class derived from RemoteError.
    shown: its traceback is a note of it, too. That of a cause is a part of what it has caused.
    """
    traceback = described.get("traceback")
    inner_shown = shown and not traceback

    def others(found):
        return [restore(one, inner_shown) for one in found or () if isinstance(one, dict)]

    cause = others([described.get("cause")])
    context = others([described.get("context")])
    error = _new(
        str(described.get("type", "Exception")),
        str(described.get("message", "")),
        described.get("args", ()),
        others(described.get("exceptions")),
    )
    _set_attributes(error, described.get("attributes") or {})
    _attach(error, traceback, described.get("notes"), shown)
    error.__cause__ = cause[0] if cause else None
    error.__context__ = context[0] if context else None
    error.__suppress_context__ = bool(cause)
    return error


def _new(type_name, message, args, exceptions):
    if type_name in GROUPS:
        return _new_group(type_name, message, args, exceptions)
    cls = getattr(builtins, type_name, None)
    if isinstance(cls, type) and issubclass(cls, BaseException) and type_name not in NOT_RAISED:
        try:
            return cls(*args)
        except Exception:
            # UnicodeDecodeError and the like, whose arguments did not all travel.
            error = cls.__new__(cls)
            error.args = tuple(args)
            return error
    return _new_remote(type_name, message, args, exceptions)


def _new_group(type_name, message, args, exceptions):
    cls = getattr(builtins, "BaseExceptionGroup", None)
    if cls is None or not exceptions:
        return _new_remote(type_name, message, args, exceptions)
    # Python itself makes an ExceptionGroup of it if nothing else is in it.
    return cls(args[0] if args and isinstance(args[0], str) else message, exceptions)


def _new_remote(type_name, message, args, exceptions):
    error = _new_class(type_name).__new__(_new_class(type_name), *args)
    error.args = tuple(args)
    error.message = message
    error.code = REMOTE_EXCEPTION
    error.domain = DOMAIN
    error.exceptions = tuple(exceptions)
    return error


# What a class has already stays, but for these.
_SETTABLE = ("code", "name", "path")


def _set_attributes(error, attributes):
    for name, value in attributes.items():
        if not name.startswith("_") and (name in _SETTABLE or not hasattr(type(error), name)):
            setattr(error, name, value)


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
    if hasattr(type(error), "add_note"):
        for text in texts:
            error.add_note(text)
    else:
        error.__notes__ = texts
