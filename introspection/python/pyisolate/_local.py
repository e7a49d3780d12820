# SPDX-License-Identifier: MIT
"""Extensions with isolated=False: they run in this process, and are called as the others are."""

import asyncio
import concurrent.futures
import contextlib
import logging
import math
import os
import sys
import threading
import weakref

from . import (
    _bridge,
    _contents,
    _describe,
    _events,
    _host_errors,
    _local_readonly,
    _local_singleton,
    _objects,
    _singleton,
)
from ._extension import EXTENSIONS_TIMEOUT
from ._local_import import Imports
from ._local_seat import Call, Seat, run_def
from ._logging import own

# What runs when the extension is stopped is cancelled, and may take so long to end.
END_SECONDS = 1.0

_by_module = weakref.WeakValueDictionary()
"""Name of an extension's module → its Local."""


class Method:
    """A method, as _describe.py and the seats need it."""

    def __init__(self, name, function):
        self.name = name
        self.function = function
        self.kind = _describe.kind_of(function)
        self.runs_on = "main"


class Local:
    """One extension in this process: its module, its object, its threads."""

    def __init__(self, manager, extension, config, apis, host_objects, state_directory):
        self.name = config.name
        self.state_directory = state_directory
        self.config = config
        self.state = "new"
        self.methods = {}
        self.calls = set()
        self.instance = None
        self._lock = threading.RLock()  # a manager may be dropped in any thread, at any place
        self._ending = False
        self._stopping = None
        self._manager = weakref.ref(manager)
        self.extension = extension
        self._served = {
            _singleton.name_of(type(instance)): _singleton.Served.of(instance, self._manager)
            for instance in apis
        }
        self._stands = {}
        self._host_objects = host_objects
        self._callees = {}
        self._loop = None
        self._main = Seat()
        self._second = self._second_thread = None
        self._imports = Imports(os.path.abspath(config.module_path), self._names())

    # ---- what the extension sees of the host ----

    def _names(self):
        names = {"pyisolate": self._names_of_pyisolate()}
        for served in self._served.values():
            cls = type(served.instance)
            names.setdefault(cls.__module__, {})[cls.__name__] = self._stand_for(served)
        return names

    def _stand_for(self, served):
        cls = type(served.instance)
        stand = self._stands.get(cls)
        if stand is None:
            stand = self._stands[cls] = _local_singleton.stand_for(self, served)
        return stand

    def proxy_of(self, instance):
        return self._stand_for(self._served[_singleton.name_of(type(instance))])()

    def _names_of_pyisolate(self):
        return {
            "CallCancelled": CallCancelled,
            "emit_event": self.emit_event,
            "extension_name": self.name,
            "inline": _contents.inline,
            "progress": _progress,
            "singleton": self.singleton,
            "state_directory": self.state_directory,
            "threaded": _contents.threaded,
        }

    def singleton(self, name):
        """The host's singleton of this name, if the extension's `apis` list it."""
        named = [
            served
            for key, served in self._served.items()
            if name in (key, type(served.instance).__qualname__)
        ]
        if len(named) != 1:
            raise LookupError(
                f"There is no singleton {name!r} for this extension: the host must list it in the "
                "extension's `apis`"
            )
        return self._stand_for(named[0])()

    def emit_event(self, name, value=None):
        """Send an event to the host."""
        if not isinstance(name, str):
            raise TypeError(f"The name of an event is a string, not {type(name).__name__}")
        extension = self.extension()
        call = _local_singleton.current.get()
        if extension is None:
            return
        if call is None or call.local is not self or call.ended:
            _events.deliver(extension, name, lambda: value)
        else:
            call.emit(extension, name, value)

    def register_callee(self, instance, object_id):
        _objects.register(self._callees, instance, object_id)

    def create_caller(self, object_type, object_id):
        """Of an object of the host's: its methods run where a singleton's do."""
        objects = self._host_objects

        def find(arguments):
            object_id, name, args, kwargs = arguments
            _objects.find_method(objects, object_id, name)
            served = _singleton.Served.of(objects[object_id], self._manager)
            return _local_singleton.Proxy(self, served), name, args, kwargs

        async def call(arguments):
            proxy, name, args, kwargs = find(arguments)
            return await getattr(proxy, name)(*args, **kwargs)

        def call_sync(arguments):
            proxy, name, args, kwargs = find(arguments)
            return getattr(proxy.sync, name)(*args, **kwargs)

        return _objects.Caller(call, call_sync, object_type, object_id)

    def use_remote(self, cls):
        if cls in self._stands.values():
            return  # as it was imported
        named = [one for one in self._served.values() if _name_fits(one, cls)]
        instance = self.create_caller(None, cls.__name__)
        _singleton.set_instance(cls, self._stand_for(named[0])() if named else instance)

    async def _call_callee(self, object_id, name, args, kwargs):
        result = _objects.find_method(self._callees, object_id, name)(*args, **kwargs)
        return await result if hasattr(result, "__await__") else result

    # ---- its life ----

    def start(self, loaded):
        """The future of its loading, which begins now; loaded(methods) is called in between."""
        future = concurrent.futures.Future()
        if self.state == "starting":
            text = f"The extension “{self.name}” is still being loaded, longer than it may take"
            future.set_exception(_host_errors.not_running(text))
            return future
        self.state = "starting"
        self._ending = False
        timer = _new_timer(self.config.start_timeout, self._give_up_loading, future)
        try:
            self._start_thread(timer)
            self._start_thread(
                threading.Thread(
                    target=self._run,
                    args=(future, loaded, timer),
                    name=f"pyisolate-{self.name}",
                    daemon=True,
                )
            )
        except _host_errors.StartError as error:
            timer.cancel()
            self.state = "failed"
            future.set_exception(error)
        return future

    def _start_thread(self, thread):
        try:
            thread.start()
        except RuntimeError as error:
            raise _host_errors.StartError(
                _host_errors.DOMAIN,
                _host_errors.SPAWN,
                f"The extension “{self.name}” cannot be loaded, for there is no thread to do it: "
                f"{error}",
            ) from None

    def _give_up_loading(self, future):
        error = _host_errors.CallTimeoutError(
            _host_errors.DOMAIN,
            _host_errors.TIMED_OUT,
            f"The extension “{self.name}” was not loaded within its start-timeout of "
            f"{self.config.start_timeout:g} s",
        )
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            future.set_exception(error)

    def _run(self, future, loaded, timer):
        self._loop = None
        try:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
            self._main.sit()
            described = self._load()
            timer.cancel()
            if not future.done():  # else it came too late
                loaded(described)
            self._begin_running()
            future.set_result(self)
        except BaseException as failure:
            timer.cancel()
            self.state = "failed"
            self._close()
            self._fail_calls()
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                future.set_exception(self._load_error(failure))
            return
        while not self._ending:
            try:
                self._loop.run_forever()
            except BaseException as error:  # from a callback of the extension's own
                _report(error)
        self._finish()

    def _begin_running(self):
        with self._lock:
            if self._ending:
                raise _host_errors.not_running(
                    f"The extension “{self.name}” was stopped while it was being loaded"
                )
            self.state = "running"

    def _load(self):
        stage, run_hook = _contents.stage, _contents.run_hook
        run = self._loop.run_until_complete
        run(self._sit_on_loop())
        for path in self.config.source_paths:
            path = os.path.abspath(path)
            if path not in sys.path:
                sys.path.append(path)
        module = stage("import", self._imports.load, self._prepare)
        self.instance = stage("entrypoint", _contents.make_instance, module, run)
        if self.instance is not None:
            stage("before_module_loaded", run_hook, run, self.instance.before_module_loaded)
            stage("on_module_loaded", run_hook, run, self.instance.on_module_loaded, module)
        functions = stage("describe", _contents.functions_of, module, self.instance)
        self._open({name: Method(name, function) for name, function in functions.items()})
        return stage("describe", lambda: list(map(_describe.describe, self.methods.values())))

    async def _sit_on_loop(self):
        self._main.sit()

    def _prepare(self, name):
        _by_module[name] = self

    def _open(self, methods):
        """In an extension with both kinds the defs leave the loop alone."""
        mixed = any(method.kind == "coroutine" for method in methods.values())
        for method in methods.values():
            if method.kind == "def":
                asked = getattr(method.function, "__pyisolate_runs_on__", None)
                method.runs_on = asked or ("second" if mixed else "main")
        if any(method.runs_on == "second" for method in methods.values()):
            seat = Seat()
            ready = threading.Event()
            thread = threading.Thread(
                target=seat.run_thread,
                args=(ready,),
                name=f"pyisolate-{self.name}-second",
                daemon=True,
            )
            self._start_thread(thread)
            ready.wait()
            self._second, self._second_thread = seat, thread
        self.methods = methods
        self._object_method = Method(_objects.CALL, self._call_callee)

    def _load_error(self, failure):
        from . import _errors

        if not isinstance(failure, _contents.LoadError):
            return failure
        error = failure.error
        text = f"{type(error).__name__}: {error}"
        raised = _host_errors.LoadError(
            _host_errors.DOMAIN,
            _host_errors.IMPORT_FAILED,
            f"The extension “{self.name}” could not be loaded ({failure.stage}): {text}",
        )
        raised.__cause__ = error
        raised.remote_traceback = _errors.format_traceback(error)
        return raised

    def stop(self, future):
        """Cancel its calls, run its hook, end its threads; `future` is settled then.

        What is still being loaded ends when that is over; `future` does not wait for it.
        """
        with self._lock:
            is_running = self.state == "running"
            if is_running:
                self.state = "stopping"
            elif self.state == "starting":
                self._ending = True
        if not is_running or sys.is_finalizing():  # then its threads stand still
            future.set_result(None)
            return
        self._fail_calls()
        timer = _new_timer(self.config.stop_timeout, self._give_up, future)
        with contextlib.suppress(RuntimeError):  # without a thread to count it it has no limit
            timer.start()
        self._stopping = future, timer
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._run_stop_hook()))

    def _fail_calls(self):
        gone = _host_errors.not_running(f"The extension “{self.name}” was stopped")
        for call in list(self.calls):
            call.cancel(gone)

    async def _run_stop_hook(self):
        try:
            result = None if self.instance is None else self.instance.stop()
            if hasattr(result, "__await__"):
                await result
        except BaseException as error:
            self._log_failed_stop(error)
        self._ending = True
        self._loop.stop()

    def _log_failed_stop(self, error):
        """As in a worker: who stops an extension is told that it has stopped, however that went."""
        from . import _errors

        text = _errors.format_traceback(error).rstrip("\n")
        log = logging.getLogger(self.name)
        log.error("stop() of the extension raised:\n%s", text, extra={"extension": self.name})

    def _finish(self):
        future, timer = self._stopping
        self._stopping = None  # who waits for it knows the manager, which this must not keep
        self._close()
        timer.cancel()
        self.state = "stopped"
        self._fail_calls()
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            future.set_result(None)

    def _give_up(self, future):
        own.warning("The extension %r does not end; its threads are left behind", self.name)
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            future.set_result(None)

    def _close(self):
        """End what it still runs, as asyncio.run() does at its end, and forget its modules."""
        if self._loop is not None:
            self._close_loop(self._loop)
        if self._second is not None:
            self._second.leave()
            self._second_thread.join(END_SECONDS)
        self._imports.unload()

    def _close_loop(self, loop):
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._let_end(asyncio.wait(tasks, timeout=END_SECONDS))
        self._let_end(loop.shutdown_asyncgens())
        loop.close()

    def _let_end(self, ending):
        """What is raised beside it, as SystemExit by a task, keeps nothing from ending."""
        try:
            self._loop.run_until_complete(ending)
        except BaseException as error:
            _report(error)

    # ---- calls ----

    def _put(self, method, args, kwargs, timeout, done, on_progress):
        call = Call(self, method, args, kwargs, done, on_progress)
        self.calls.add(call)
        if self.state != "running" or sys.is_finalizing():  # then its threads stand still
            self.calls.discard(call)
            raise _host_errors.not_running(f"The extension “{self.name}” does not run")
        if timeout == EXTENSIONS_TIMEOUT:
            timeout = self.config.call_timeout
        try:
            self._begin(call, timeout)
        except RuntimeError as error:  # there can be no more threads
            call.fail(error)
        return call

    def _begin(self, call, timeout):
        if timeout is not None and 0 <= timeout < threading.TIMEOUT_MAX:
            call.start_timer(timeout)
        runs_on = call.method.runs_on
        if runs_on == "pool":
            threading.Thread(target=run_def, args=(call,), daemon=True).start()
        else:
            (self._second if runs_on == "second" else self._main).put(call)

    def find(self, name):
        method = self._object_method if name == _objects.CALL else self.methods.get(name)
        if method is None:
            known = ", ".join(sorted(self.methods)) or "none"
            raise _host_errors.NoSuchMethodError(
                _host_errors.DOMAIN,
                _host_errors.NO_SUCH_METHOD,
                f"There is no method {name!r}; there are: {known}",
            )
        return method


def _new_timer(seconds, function, future):
    """What takes longer than a thread can wait has no end."""
    if seconds is not None and seconds > threading.TIMEOUT_MAX:
        seconds = None
    timer = threading.Timer(seconds, function, (future,))
    timer.daemon = True
    return timer


def _report(error):
    """As for what nobody catches. The hook is the application's own and may raise."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as problem:
        sys.__excepthook__(type(problem), problem, problem.__traceback__)


def _name_fits(served, cls):
    name = _singleton.name_of(type(served.instance))
    return _singleton.name_of(cls) == name or cls.__name__ == type(served.instance).__qualname__


async def call(extension, name, args, kwargs, timeout, readonly, on_progress=None):
    local = extension._local
    if readonly:
        args, kwargs = _local_readonly.guard(args, kwargs)
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def done(outcome):
        if not future.done() and not loop.is_closed():
            future.set_result(outcome)

    under_way = local._put(local.find(name), args, kwargs, timeout, done, on_progress)
    try:
        good, value = await future
    except BaseException:
        under_way.cancel()
        raise
    if good:
        return value
    raise value


def call_sync(extension, name, args, kwargs, timeout, readonly, on_progress=None):
    local = extension._local
    if readonly:
        args, kwargs = _local_readonly.guard(args, kwargs)
    outcomes = []
    under_way = local._put(local.find(name), args, kwargs, timeout, outcomes.append, on_progress)
    try:
        _bridge.current().wait(lambda: outcomes)
    except BaseException:
        under_way.cancel()
        raise
    good, value = outcomes[0]
    if good:
        return value
    raise value


def of_instance(instance):
    """The Local that an extension's object belongs to, or None."""
    for cls in type(instance).__mro__:
        local = _by_module.get(cls.__module__.partition(".")[0])
        if local is not None:
            return local
    return None


class CallCancelled(KeyboardInterrupt):
    """In a worker it is raised in a `def` whose caller cancelled it; here nothing raises it."""


def _progress(fraction, text=""):
    """Tell the caller how far the running call is."""
    call = _local_singleton.current.get()
    if call is None:
        raise RuntimeError("pyisolate.progress() tells of a call, and no call is running here")
    if not isinstance(text, str):
        raise TypeError(f"The text of progress is a string, not {type(text).__name__}")
    call.tell(0.0 if math.isnan(fraction) else min(max(float(fraction), 0.0), 1.0), text)
