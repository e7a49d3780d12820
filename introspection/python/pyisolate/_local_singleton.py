# SPDX-License-Identifier: MIT
"""Singletons as extensions with isolated=False see them: as in a worker, by proxies.

Their methods run where those that a worker calls run: on the loop, and in the context variables, of
the call that led to it. Arguments and results are the objects themselves.
"""

import asyncio
import contextvars
import functools

from . import _bridge, _singleton

current: contextvars.ContextVar = contextvars.ContextVar("pyisolate_local_call", default=None)
"""The call of an extension in this process that the running code belongs to."""


class Invocation:
    """One call of a singleton; for _singleton.py it is what the native module's are."""

    def __init__(self, local, method, args, kwargs, done):
        self.extension = local.name
        self.method = method
        self._arguments = args, kwargs
        self._done = done
        self._bridge = _bridge.current()
        self._number = None

    def arguments(self):
        return self._arguments

    def return_value(self, value):
        self._settle((True, value))

    def raise_in_caller(self, error):
        self._settle((False, error))

    def watch(self, number):
        self._number = number

    def cancel(self):
        if self._number is not None:
            _singleton.cancel(self._number)

    def _settle(self, outcome):
        done, self._done = self._done, None
        if done is not None:
            self._bridge.context.invoke(lambda: done(outcome))


def _start(local, served, method, args, kwargs, done):
    invocation = Invocation(local, method, args, kwargs, done)
    manager = served.manager()
    call = current.get()
    if manager is None:
        invocation.raise_in_caller(RuntimeError("The host has dropped its extension manager"))
    elif call is None or call.local is not local:
        _singleton.run_unasked(manager, served, invocation, None)
    else:
        context = call.context.copy()
        context.run(current.set, call)
        outer = context.run(_bridge.current_invocation.get)
        parent = None if outer is None else outer[0]
        run = functools.partial(_singleton.run, call.bridge, context, served, invocation, parent)
        if call.bridge.closed:
            run()
        else:
            call.bridge.context.invoke(run)
    return invocation


async def _call(local, served, method, args, kwargs):
    bridge = _bridge.current()
    future = bridge.loop.create_future()

    def done(outcome):
        if not future.done() and not bridge.loop.is_closed():
            future.set_result(outcome)

    invocation = _start(local, served, method, args, kwargs, done)
    try:
        outcome = await future
    except asyncio.CancelledError:
        invocation.cancel()
        raise
    return _result_of(outcome)


def _call_sync(local, served, method, args, kwargs):
    outcomes = []
    _start(local, served, method, args, kwargs, outcomes.append)
    _bridge.current().wait(lambda: outcomes)
    return _result_of(outcomes[0])


def _result_of(outcome):
    good, value = outcome
    if good:
        return value
    raise value


class _Methods:
    """What both ways of calling share."""

    def __init__(self, local, served):
        self._pyisolate_local = local
        self._pyisolate_served = served

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def _pyisolate_find(self, name, call):
        served = self._pyisolate_served
        if name.startswith("_") or name not in served.methods:
            raise AttributeError(_singleton.no_such_method(served, name))
        method = functools.partial(call, self._pyisolate_local, served, name)
        about = getattr(type(served.instance), name, None)

        def calling(*args, **kwargs):
            return method(args, kwargs)

        calling.__name__ = name
        calling.__qualname__ = f"{type(served.instance).__qualname__}.{name}"
        calling.__doc__ = getattr(about, "__doc__", None)
        return calling

    def __dir__(self):
        return sorted({*object.__dir__(self), *self._pyisolate_served.methods})


class _SyncProxy(_Methods):
    def __getattr__(self, name):
        return self._pyisolate_find(name, _call_sync)


class Proxy(_Methods):
    """`await proxy.method()`, or `proxy.sync.method()`."""

    def __init__(self, local, served):
        super().__init__(local, served)
        self.sync = _SyncProxy(local, served)

    def __getattr__(self, name):
        served = self._pyisolate_served
        nested = _singleton.nested_of(served.instance).get(name)
        if nested is not None:
            return self._pyisolate_local.proxy_of(nested)
        found = getattr(type(served.instance), name, None)
        if getattr(found, "__pyisolate_local__", False):
            return found.__get__(self)
        return self._pyisolate_find(name, _call)

    def __repr__(self):
        return f"<proxy of {_singleton.name_of(type(self._pyisolate_served.instance))!r}>"


def stand_for(local, served):
    """What the extension imports as this class, which has one object: the proxy."""
    cls = type(served.instance)
    namespace = {
        "__doc__": cls.__doc__,
        "__module__": cls.__module__,
        "__new__": lambda stand, *args, **kwargs: stand._pyisolate_instance,
        "__init__": lambda self, *args, **kwargs: None,
        "__qualname__": cls.__qualname__,
    }
    stand = type(cls.__name__, (Proxy,), namespace)
    stand._pyisolate_instance = instance = object.__new__(stand)
    Proxy.__init__(instance, local, served)
    return stand
