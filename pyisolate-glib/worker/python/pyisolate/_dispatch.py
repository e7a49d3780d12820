# SPDX-License-Identifier: MIT
"""The extension's methods, and how a `def` is run for a call and answered."""

import sys
from _contextvars import ContextVar, copy_context
from _thread import get_ident

import _pyisolate_native as native

MAIN_THREAD = get_ident()

HOMES = {"pool": native.POOL, "main": native.MAIN}

current: ContextVar = ContextVar("pyisolate_call", default=None)
"""The call that the running code belongs to, as the Frame that it came in."""


class Method:
    """kind is "def", "coroutine" or "generator"; home is a number that the native module knows."""

    __slots__ = ("function", "home", "kind", "name")

    def __init__(self, name, function, kind):
        self.name = name
        self.function = function
        self.kind = kind
        self.home = native.MAIN

    @property
    def runs_on(self):
        return {native.SECOND: "second", native.POOL: "pool"}.get(self.home, "main")


methods: dict = {}
get_loop = None
"""Has coroutines run on the main thread from now on; set by the worker."""


def open_for_calls(found):
    """Accept calls of these methods; each runs in a copy of the context that importing left."""
    methods.update((method.name, method) for method in found)
    native.set_methods(
        copy_context(), [(method.name, method.function, _native_kind(method)) for method in found]
    )
    native.set_homes({method.name: method.home for method in found})


def _native_kind(method):
    if method.kind == "def":
        return native.DEF_METHOD
    function = getattr(method.function, "__func__", method.function)
    code = getattr(function, "__code__", None)
    if method.kind == "coroutine" and code is not None and code.co_flags & 0x80:  # CO_COROUTINE
        return native.COROUTINE_METHOD
    return native.OTHER_METHOD


def serve(frame):
    """Run the def that a call asks for, here and now, and answer."""
    method = methods.get(frame.name)
    if method is None:
        _answer_no_such_method(frame)
    elif method.kind == "generator":
        error = f"{method.name}() is a generator; values cannot be streamed, let it return a list"
        answer_exception(frame, TypeError(error))
    elif method.kind == "coroutine":
        error = (
            f"{method.name}() is async and runs on the event loop, which waits for it in a .sync "
            "call; await the singleton's method there instead"
        )
        answer_exception(frame, RuntimeError(error))
    else:
        if get_ident() != MAIN_THREAD:
            from . import _threads

            _threads.start_interrupter()
        _without_running_loop(native.serve_def, frame, method.function)


def _without_running_loop(function, *args):
    """A def is no part of a coroutine: in it asyncio.run() works, on the loop's own thread too."""
    events = sys.modules.get("asyncio.events")
    running = events and events._get_running_loop()
    if running is None:
        return function(*args)
    events._set_running_loop(None)
    try:
        return function(*args)
    finally:
        events._set_running_loop(running)


def answer(frame, value):
    try:
        native.reply(frame, value)
    except BaseException as error:
        if native.is_forked():
            _leave_forked_child(0)
        answer_exception(frame, error)


def answer_exception(frame, error):
    if native.is_forked():
        _leave_forked_child(1, error)
    if frame.cancelled:
        if frame.stopping:
            native.reply_error(frame, "NotRunning", native.STOPPING, {})
        else:
            native.reply_error(frame, "Failed", "cancelled", {})
        return

    try:
        from . import _errors

        summary, described = _errors.summary(error), _errors.describe(error)
    except BaseException as problem:  # no memory, no file to import from
        summary, described = _describe_without_file(error, problem)
    native.reply_error(frame, "RemoteException", summary, {"exception": described})


def _describe_without_file(error, problem):
    try:
        text = str(error)[:1000].encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    except BaseException:
        text = ""
    name = type(error).__name__
    note = f"It could not be described: {type(problem).__name__}"
    return name, {"type": name, "message": text, "args": [text], "notes": [note]}


def report(error):
    """What was raised beside the calls; a worker does not end by it, nor by what a hook raises."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as problem:
        sys.__excepthook__(type(problem), problem, problem.__traceback__)


native.set_helpers(current, serve, answer, answer_exception)


def _leave_forked_child(code, error=None):
    from . import _forked

    _forked.leave(code, error)


def _answer_no_such_method(frame):
    listed = [name for name in methods if not name.startswith("_")]
    native.reply_error(frame, "NoSuchMethod", no_such_name("method", frame.name, listed), {})


def no_such_name(what, name, names):
    """A message with what was perhaps meant."""
    import difflib

    close = difflib.get_close_matches(name, names)
    if close:
        return f"There is no {what} {name!r}; perhaps {' or '.join(map(repr, close))} is meant"
    known = ", ".join(sorted(names)) or "none"
    return f"There is no {what} {name!r}; there are: {known}"
