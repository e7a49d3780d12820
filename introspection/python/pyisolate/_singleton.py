# SPDX-License-Identifier: MIT
"""Services of the host's that extensions call: one object of a class, for the host and for all."""

import asyncio
import contextlib
import contextvars
import itertools
import threading
import types
import typing
import weakref

import _pyisolate_host as native

from . import _alone, _bridge, _host_errors

_instances: dict = {}
_lock = threading.RLock()


def local_execution(function):
    """Run this method of a ProxiedSingleton in the process that calls it.

    An extension finds the method only where the class's file is among its source paths.
    """
    function.__pyisolate_local__ = True
    return function


class _Meta(type):
    """One object of each class."""

    def __call__(cls, *args, **kwargs):
        instance = _instances.get(cls)
        if instance is None:
            with _lock:
                instance = _instances.get(cls)
                if instance is None:
                    instance = _instances[cls] = super().__call__(*args, **kwargs)
        return instance


def set_instance(cls, instance):
    if not (isinstance(cls, type) and issubclass(cls, ProxiedSingleton)):
        raise TypeError(f"{cls!r} is not a class derived from pyisolate.ProxiedSingleton")
    with _lock:
        if cls in _instances:
            raise RuntimeError(f"{cls.__qualname__} has an object already")
        _instances[cls] = instance


class ProxiedSingleton(metaclass=_Meta):
    """Derive from it what extensions may call: its public methods, `def` or `async def`.

    `Class()` gives the one object of the class, here and, as a proxy, in each extension that lists
    the class among its `apis`.
    """


@contextlib.contextmanager
def singleton_scope(fresh=False):
    """What objects are made inside is forgotten at the end; every class has then what it had.

    fresh: inside, no class has an object yet.
    """
    global _instances
    with _lock:
        outer = _instances
        _instances = {} if fresh else dict(outer)
    try:
        yield
    finally:
        with _lock:
            _instances = outer


def name_of(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_method(name, value):
    if name.startswith("_") or isinstance(value, type):
        return False
    function = getattr(value, "__func__", value)
    return callable(function) and not getattr(function, "__pyisolate_local__", False)


def _methods_of(cls):
    methods = {}
    for base in reversed(cls.__mro__):
        if base in (ProxiedSingleton, object):
            continue
        for name, value in vars(base).items():
            methods.pop(name, None)
            if not isinstance(value, ProxiedSingleton) and _is_method(name, value):
                methods[name] = value
    return methods


def nested_of(instance):
    """Its attributes that are singletons themselves."""
    found = {}
    for base in reversed(type(instance).__mro__):
        found.update(vars(base))
    found.update(getattr(instance, "__dict__", {}))
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, ProxiedSingleton) and not name.startswith("_")
    }


def describe(instance):
    """What an extension is told of it."""
    cls = type(instance)
    methods = {
        name: {"doc": getattr(value, "__doc__", None) or ""}
        for name, value in _methods_of(cls).items()
    }
    return {
        "module": cls.__module__,
        "class": cls.__qualname__,
        "doc": cls.__doc__ or "",
        "methods": methods,
        "attributes": {name: name_of(type(value)) for name, value in nested_of(instance).items()},
    }


class Served(typing.NamedTuple):
    """A singleton as one manager offers it. The native module takes these by their places."""

    instance: ProxiedSingleton
    manager: weakref.ref
    methods: frozenset

    @classmethod
    def of(cls, instance, manager):
        return cls(instance, manager, frozenset(_methods_of(type(instance))))


_served: dict = {}
_numbers = itertools.count(1)
_tasks: dict = {}


def serve(instance, manager):
    """The number under which the native module tells of calls."""
    number = next(_numbers)
    _served[number] = Served.of(instance, manager)
    return number


def forget(numbers):
    for number in numbers:
        _served.pop(number, None)


def _on_unasked(number, invocation):
    """No call led to this one."""
    served = _served.get(number)
    manager = None if served is None else served.manager()
    if manager is None:
        _fail(invocation, RuntimeError("The host has dropped its extension manager"))
    else:
        run_unasked(manager, served, invocation, invocation)


def run_unasked(manager, served, invocation, parent):
    bridge = manager._bridge
    if bridge is None:
        begun = manager._run_in_thread(
            lambda: run(_bridge.current(), contextvars.Context(), served, invocation, parent)
        )
        if not begun:
            _fail(invocation, _host_errors.not_running("Python is ending in the host"))
    elif bridge.closed:
        _fail(
            invocation,
            RuntimeError(
                f"{invocation.method}() runs on the event loop of the host's manager, "
                "which is closed"
            ),
        )
    else:
        bridge.context.invoke(
            lambda: run(bridge, manager._context.copy(), served, invocation, parent)
        )


run = native.run
"""run(bridge, context, served, invocation, parent): answer it here, in this context. What it calls
in turn is a part of `parent`, an invocation from a worker."""


def no_such_method(served, name):
    known = ", ".join(sorted(served.methods)) or "none"
    what = type(served.instance).__name__
    return f"{what} has no method {name!r} for extensions; there are: {known}"


def _find(served, name):
    raise AttributeError(no_such_method(served, name))


def _raise_later(bridge, error):
    """Ctrl-C in a method is the host's, too."""

    def again():
        raise error

    if bridge.loop is not None:
        bridge.loop.call_soon(again)
    else:
        import _thread

        _thread.interrupt_main()


def _await(bridge, context, awaitable, invocation):
    if bridge.loop is None:
        return _await_alone(bridge, context, awaitable, invocation)
    if bridge.waiting:
        close = getattr(awaitable, "close", None)
        if close is not None:
            close()
        raise RuntimeError(
            f"{invocation.method}() is async and runs on the host's event loop, which waits in a "
            ".sync call; await the extension's method there instead"
        )
    task = bridge.tasks.start(_awaited(awaitable), context)
    _follow(bridge, task, invocation)
    return None


async def _awaited(awaitable):
    return await awaitable


def _await_alone(bridge, context, awaitable, invocation):
    """On a loop of the thread's own. What is the host's, too, is returned, to be raised later."""
    is_part = getattr(invocation, "origin", None) is not None
    number = next(_numbers)
    unanswered = [invocation]

    async def finish():
        task = asyncio.current_task()
        _tasks[number] = bridge, task
        invocation.watch(number)

        def end_with_caller():
            if is_part and invocation.origin is None:
                task.cancel()

        try:
            with _alone.Serving(bridge, end_with_caller):
                result = await awaitable
        except BaseException as error:
            give_up(error)
            if isinstance(error, (KeyboardInterrupt, SystemExit, asyncio.CancelledError)):
                raise
        else:
            unanswered.clear()
            _answer(invocation, result)
        finally:
            _tasks.pop(number, None)

    def give_up(error):
        if unanswered:
            _fail(unanswered.pop(), error)
        close = getattr(awaitable, "close", None)
        if close is not None:
            close()

    try:
        _alone.run(finish(), context, bridge, give_up)
    except (KeyboardInterrupt, SystemExit):
        return KeyboardInterrupt()
    except BaseException:
        return None  # it has been answered with it


def _follow(bridge, task, invocation):
    """Answer when the task is done."""
    number = next(_numbers)
    _tasks[number] = bridge, task

    def done(task):
        _tasks.pop(number, None)
        try:
            result = task.result()
        except BaseException as error:
            _fail(invocation, error)
        else:
            _answer(invocation, result)

    task.add_done_callback(done)
    invocation.watch(number)


def end_tasks(bridge):
    """Its loop was closed under them: none of them will ever be done, or keeps it here."""
    for number in [number for number, (other, _) in list(_tasks.items()) if other is bridge]:
        _tasks.pop(number, None)


def cancel(number):
    """Nobody waits for the answer any more."""
    _, task = _tasks.get(number, (None, None))
    if task is not None and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)


def _answer(invocation, result):
    try:
        invocation.return_value(result)
    except BaseException as error:
        _fail(invocation, error)


def _on_raised(bridge, invocation, error):
    _fail(invocation, error)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        _raise_later(bridge, error)


def _fail(invocation, error):
    if not hasattr(invocation, "return_exception"):
        invocation.raise_in_caller(error)  # in this process
        return
    if native.is_forked():
        from . import _forked

        _forked.leave(1, error)

    from . import _errors

    if isinstance(error, _host_errors.Error):
        invocation.return_error(error.domain, error.code, error.message)
        return
    if isinstance(error, asyncio.CancelledError):
        error = RuntimeError(f"{invocation.method}() was cancelled in the host")
    invocation.return_exception(_errors.summary(error), _errors.describe(error))


native.set_hooks(
    _served,
    _bridge.current_invocation,
    types.CoroutineType,
    _on_unasked,
    cancel,
    _find,
    _on_raised,
    _follow,
    _await,
)


def current_caller():
    """The extension whose call of a singleton is being answered here; None elsewhere."""
    running = _bridge.current_invocation.get()
    if running is None:
        return None
    _, manager, name = running
    return manager._loaded.get(name)
