# SPDX-License-Identifier: MIT
"""What load_extension() returns: the extension's methods are its methods."""

import asyncio
import inspect
import math
import threading

import _pyisolate_host as native

from . import _bridge, _callees, _events, _host_errors, _logging, _objects, _singleton

# Of the extension's methods, these are had as `ext.api.x` only.
HOST_NAMES = frozenset(
    [
        "api",
        "config",
        "create_caller",
        "kill",
        "log_tail",
        "memory_usage",
        "methods",
        "name",
        "options",
        "pid",
        "ping",
        "register_callee",
        "register_event_handler",
        "state",
        "stop",
        "sync",
        "use_remote",
    ]
)

EXTENSIONS_TIMEOUT = -2.0

# Python 3.11 cannot parse in two threads at once: "AST constructor recursion depth mismatch".
_outlining = threading.Lock()


def _to_seconds(timeout):
    """One that is over is not to mean one of the library's that has no end."""
    seconds = float(timeout)
    if math.isnan(seconds):
        raise ValueError("timeout: NaN is no number of seconds")
    return max(0.0, seconds)


class MethodInfo:
    """A method as the extension describes it."""

    __slots__ = ("doc", "is_async", "name", "parameters", "runs_on", "signature")

    def __init__(self, name, doc, signature, is_async, runs_on, parameters):
        self.name = name
        self.doc = doc
        self.signature = signature
        self.is_async = is_async
        self.runs_on = runs_on
        self.parameters = parameters

    @classmethod
    def of_object(cls, gmethod):
        props = gmethod.props
        parameters = [
            (p.props.name, p.props.kind, p.props.annotation, p.props.default_value)
            for p in props.parameters
        ]
        return cls(
            props.name, props.doc, props.signature, props.is_async, props.runs_on, parameters
        )

    @classmethod
    def of_dict(cls, method):
        parameters = [
            (p["name"], p["kind"], p["annotation"], p.get("default")) for p in method["parameters"]
        ]
        return cls(
            method["name"],
            method["doc"],
            method["signature"],
            method["async"],
            method["runs_on"],
            parameters,
        )

    def __repr__(self):
        return f"<method {self.name}{self.signature}>"

    def to_signature(self):
        """An inspect.Signature, whose annotations and defaults are the texts of the extension's."""
        parameters = [
            inspect.Parameter(
                name,
                getattr(inspect.Parameter, kind),
                default=_Text(default) if default else inspect.Parameter.empty,
                annotation=_Text(annotation) if annotation else inspect.Parameter.empty,
            )
            for name, kind, annotation, default in self.parameters
        ]
        return inspect.Signature(parameters)


class _Text(str):
    """Shown as it is; never evaluated."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


_ANY = inspect.signature(lambda *args, **kwargs: None)
"""Of a method of which nothing is known."""


class _Called(native.Method):
    """One method of an extension."""

    _waits = False

    def __init__(self, extension, name, timeout, readonly=False, on_progress=None):
        self._extension = extension
        self.__name__ = name
        self.__qualname__ = f"{extension.name}.{name}"
        info = extension._info(name)
        if info is not None:
            self.__doc__ = info.doc

    def __getattr__(self, name):
        if name != "__signature__":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        info = self._extension._info(self.__name__)
        self.__signature__ = signature = _ANY if info is None else info.to_signature()
        return signature

    def __repr__(self):
        info = self._extension._info(self.__name__)
        return f"<method {self.__qualname__}{'' if info is None else info.signature}>"


class Method(_Called):
    """Calling it returns a coroutine."""

    _is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)  # for iscoroutinefunction()


if hasattr(inspect, "markcoroutinefunction"):  # from Python 3.12 on
    inspect.markcoroutinefunction(Method)


class SyncMethod(_Called):
    """Calling it waits for the result."""

    _waits = True


class Api:
    """`ext.api`, `ext.sync`: nothing but the extension's methods."""

    def __init__(self, extension, method=Method, timeout=EXTENSIONS_TIMEOUT, *options):
        self._extension = extension
        self._method = method
        self._timeout = timeout
        self._options = options  # what Method takes after the timeout

    def __getattr__(self, name):
        self._extension._check(name)
        method = self._method(self._extension, name, self._timeout, *self._options)
        return self._extension._keep(self, name, method)

    def __dir__(self):
        return list(self._extension._seen())

    def __repr__(self):
        return f"<methods of {self._extension!r}>"


class Options(Api):
    """`ext.options(…)`: its `sync` has the methods that wait, with the same options."""

    @property
    def sync(self):
        return Api(self._extension, SyncMethod, self._timeout, *self._options)


class Pending:
    """What has been started already: await it, or let it be."""

    def __init__(self, future, result=None):
        self._future = future
        self._result = result

    def __await__(self):
        yield from _bridge.until(self._future).__await__()
        return self._result


class Doc:
    """What help(ext) shows: the class's text, and of an object the extension's methods too."""

    def __init__(self, text):
        self.text = text

    def __get__(self, extension, cls=None):
        return self.text if extension is None else extension._help()


class Extension:
    __doc__ = Doc("An extension; it is loaded when it is first used, or awaited.")

    _calls = _bridge

    def __init__(self, manager, config):
        self._manager = manager
        self._config = config
        self._gextension = None
        self._target = None
        self._loaded = False
        self._loading = None
        self._load_lock = threading.Lock()  # several threads may use it first
        self._stopped = False
        self._ended = False
        self._methods = {}
        self._outline = None
        self._handlers = {}
        self._registered = {}
        self._sync = None

    # ---- the extension's methods ----

    def __getattr__(self, name):
        self._check(name)
        return self._keep(self, name, Method(self, name, EXTENSIONS_TIMEOUT))

    def _keep(self, holder, name, method):
        """The next time it is found by itself, if it is known to be one."""
        if self._loaded and not self._stopped:
            holder.__dict__[name] = method
        return method

    def _set_stopped(self):
        self._stopped = True
        self._sync = None
        for name, value in list(self.__dict__.items()):
            if isinstance(value, native.Method):
                del self.__dict__[name]

    @property
    def api(self):
        return Api(self)

    @property
    def sync(self):
        """The methods for code that is not async: each waits for its result."""
        api = self._sync
        if api is None:
            api = Api(self, SyncMethod)
            if self._loaded and not self._stopped:
                self._sync = api
        return api

    def options(self, timeout=None, readonly=False, on_progress=None):
        """The methods with options.

        timeout: a deadline in seconds. readonly: the extension cannot change the memory of the
        arrays that it gets; those that are not shared as read-only are copied. on_progress: is
        called, where the call was made, with the fraction and the text of pyisolate.progress().
        """
        timeout = EXTENSIONS_TIMEOUT if timeout is None else _to_seconds(timeout)
        if on_progress is not None:
            on_progress = _logging.guarded(on_progress, "The handler of a call's progress failed")
        return Options(self, Method, timeout, readonly, on_progress)

    def _check(self, name):
        if name.startswith("_") or (self._methods and name not in self._methods):
            import difflib

            close = difflib.get_close_matches(name, self._methods)
            hint = f"perhaps {close[0]!r} is meant" if close else f"there are {[*self._methods]}"
            raise AttributeError(f"The extension {self.name!r} has no method {name!r}; {hint}")

    def _info(self, name):
        return self._seen().get(name)

    def _seen(self):
        """The methods as they are known, or as the source of what is not loaded yet has them."""
        if self._methods or self._loaded:
            return self._methods
        with _outlining:
            if self._outline is None:
                from . import _outline

                methods = _outline.outline(self._config.module_path)
                self._outline = {method["name"]: MethodInfo.of_dict(method) for method in methods}
        return self._outline

    def _call(self, name, args, kwargs, timeout, readonly=False, on_progress=None):
        if not self._loaded:
            return self._load_and_call(name, args, kwargs, timeout, readonly, on_progress)
        self._manager._adopt_loop()
        return self._calls.call(self, name, args, kwargs, timeout, readonly, on_progress)

    async def _load_and_call(self, name, args, kwargs, timeout, readonly, on_progress):
        await self._ensure_loaded()
        return await self._calls.call(self, name, args, kwargs, timeout, readonly, on_progress)

    def _call_sync(self, name, args, kwargs, timeout, readonly=False, on_progress=None):
        self._manager._adopt_loop()
        if not self._loaded:
            _bridge.wait_for(self._load())
        return self._calls.call_sync(self, name, args, kwargs, timeout, readonly, on_progress)

    _new_method = staticmethod(Method)
    _new_sync_method = staticmethod(SyncMethod)

    def _adopt_loop(self):
        self._manager._adopt_loop()
        return self._manager._bridge

    # ---- its life ----

    def __await__(self):
        yield from self._ensure_loaded().__await__()
        return self

    async def _ensure_loaded(self):
        self._manager._adopt_loop()
        if not self._loaded or self._stopped:
            await _bridge.until(self._load())

    def _load(self):
        """The future of the loading that is under way, or that begins now."""
        if self._stopped:
            raise _host_errors.not_running(f"The extension {self.name!r} was stopped")
        with self._load_lock:
            loading = self._loading
            if loading is None or (loading.done() and loading.exception() is not None):
                self._loading = loading = self._begin_loading()
        return loading

    def _begin_loading(self):
        return self._manager._start_loading(self)

    def _set_loaded(self, gextension):
        self._methods = {
            method.props.name: MethodInfo.of_object(method) for method in gextension.get_methods()
        }
        self._gextension = gextension
        self._target = native.Target(gextension)
        self._loaded = True

    def _set_methods(self, methods):
        self._methods = {method["name"]: MethodInfo.of_dict(method) for method in methods}
        self._loaded = True

    def _begin_stopping(self, future):
        """In the home thread."""
        gextension = self._gextension
        if gextension is None and self._loading is not None:
            gextension = self._manager._find(self.name)
        if gextension is None:
            future.set_result(None)
        else:
            gextension.stop_async(None, _bridge.settle(future, gextension.stop_finish))

    def stop(self):
        """Stop it: its calls are cancelled, its stop() hook runs, its process ends."""
        return self._manager.stop_extension(self.name, self)

    def ping(self):
        """Ask whether its process is there: await it. Answered whatever its Python does."""
        if self._stopped or not self._loaded:
            raise _host_errors.not_running(f"The extension {self.name!r} does not run")
        return self._manager._pending([self._begin_ping])

    def _begin_ping(self, future):
        gextension = self._gextension
        gextension.ping_async(None, _bridge.settle(future, gextension.ping_finish))

    def kill(self):
        """End its process at once."""
        native.check_process()
        if self._gextension is not None:
            self._gextension.kill()

    # ---- what the host can know ----

    @property
    def name(self):
        return self._config.name

    @property
    def config(self):
        return self._config

    @property
    def methods(self):
        """MethodInfo objects; empty until it is loaded."""
        return list(self._methods.values())

    @property
    def state(self):
        """ "new", "preparing", "starting", "running", "stopping", "stopped" or "failed"."""
        gextension = self._gextension or self._manager._find(self.name)
        if gextension is None:
            return "stopped" if self._stopped else "new"
        return gextension.props.state.value_nick

    @property
    def pid(self):
        """The process, or None."""
        return (self._gextension and self._gextension.props.pid) or None

    @property
    def memory_usage(self):
        """Bytes, shared ones in proportion."""
        return self._gextension.props.memory_usage if self._gextension else 0

    @property
    def log_tail(self):
        """The last lines that it printed or logged."""
        gextension = self._gextension or self._manager._find(self.name)
        return gextension.dup_log_tail() if gextension is not None else []

    def register_event_handler(self, name, handler):
        """Have handler(value) called on the manager's loop for events of this name.

        If no loop has used the manager, it is called in the thread that waits for the call that
        the event is of. It replaces the one that was registered before.
        """
        self._handlers[name] = handler

    def _on_event(self, name, data, bridge):
        _events.on_call_event(self, name, data, bridge)

    def register_callee(self, object_instance, object_id):
        """Let the extension call the object's public methods, by its create_caller()."""
        _objects.register(self._registered, object_instance, object_id)

    def create_caller(self, object_type, object_id):
        """A proxy of an object that the extension registered."""
        return _callees.create_caller(self, object_type, object_id, EXTENSIONS_TIMEOUT)

    def use_remote(self, proxied_singleton):
        """Have a class derived from ProxiedSingleton stand for the extension's object of its name.

        Before the class has an object here.
        """
        name = proxied_singleton.__name__
        _singleton.set_instance(proxied_singleton, self.create_caller(None, name))

    def _help(self):
        lines = [f"The extension {self.name!r}, which is {self.state}.", ""]
        if not self._loaded:
            lines += ["By its source; for certain it is known once it is loaded: `await ext`.", ""]
        for method in self._seen().values():
            lines.append(f"{'async ' if method.is_async else ''}{method.name}{method.signature}")
            lines += [f"    {line}".rstrip() for line in method.doc.splitlines()]
        lines += ["", "Of the host: " + ", ".join(sorted(HOST_NAMES))]
        return "\n".join(lines)

    def __dir__(self):
        return sorted({*HOST_NAMES, *self._seen()})

    def __repr__(self):
        return f"<pyisolate.Extension {self.name!r} ({self.state})>"
