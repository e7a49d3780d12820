# SPDX-License-Identifier: MIT
"""Event loops and the library's main contexts.

Every event loop that calls an extension has a main context, whose descriptor it watches: replies,
and the methods of singletons that a call leads to, are handled on that loop without a thread
between them. A thread without a loop has one too, and iterates it while it waits in a `.sync` call.

What no call led to (loading, stopping, logs, events) belongs to the home context, which a thread of
its own iterates: it goes on when a loop is closed, is busy, or when there is none.
"""

import asyncio
import atexit
import concurrent.futures
import contextvars
import selectors
import threading

import _pyisolate_host as native
from gi.repository import GLib

from . import _host_errors

current_invocation: contextvars.ContextVar = contextvars.ContextVar(
    "pyisolate_invocation", default=None
)
"""The call of a singleton that the running code belongs to, with the extension that made it."""

_by_loop: dict = {}
_of_thread = threading.local()


class Bridge(native.Context):
    """The context of one event loop, or of a thread without one (then `loop` is None)."""

    def __init__(self, loop):
        self.seat = getattr(_of_thread, "seat", None)
        if loop is not None:
            self.bind(loop)
            is_usual = _select_here(loop, self)
            if not is_usual:
                loop.add_reader(self.fileno(), self.serve)
            self.tasks = native.Tasks(loop, is_usual)
        elif self.seat is None:
            self.set_bare()

    @property
    def context(self):
        return self

    def wait(self, is_done):
        """Block until is_done(), and serve what belongs to this context meanwhile."""
        if self.seat is not None:
            self.seat.wait(self, is_done)
            return
        self.waiting += 1
        task = self._current_task()
        before = 0 if task is None else task.cancelling()
        try:
            while not is_done():
                native.Context.wait(self)
                if task is not None and task.cancelling() > before:
                    # As asyncio.run() does it on Ctrl-C: the loop cannot tell the task now.
                    raise asyncio.CancelledError("cancelled in a .sync call")
        finally:
            self.waiting -= 1

    def _current_task(self):
        """The task that waits here, where it tells of its cancellation: from Python 3.11 on."""
        task = None if self.loop is None else asyncio.current_task(self.loop)
        return task if hasattr(task, "cancelling") else None

    @property
    def closed(self):
        return self.loop is not None and self.loop.is_closed()


def _select_here(loop, bridge):
    """Serve the bridge where the loop finds out that it has to be: who is woken by it then goes on
    in the same turn of the loop, not in the next. Only for asyncio's own loop; others call back."""
    if type(loop) is not asyncio.SelectorEventLoop or loop.get_debug():
        return False
    selector = loop._selector
    if type(selector) is not getattr(selectors, "EpollSelector", None):
        return False
    bridge.set_selector(selector.fileno(), selector.select, loop._ready)
    selector.select = bridge.select
    return True


def current():
    """The bridge of the running loop, or of this thread."""
    native.check_process()
    loop = asyncio._get_running_loop()
    if loop is None:
        bridge = getattr(_of_thread, "bridge", None)
        if bridge is None:
            bridge = _of_thread.bridge = Bridge(None)
        return bridge
    return _by_loop.get(loop) or _new_for_loop(loop)


def set_seat(seat):
    """Have an object's wait(bridge, is_done) do the waiting in this thread."""
    _of_thread.seat = seat


def _new_for_loop(loop):
    from ._singleton import end_tasks

    for other in [other for other in list(_by_loop) if other.is_closed()]:
        bridge = _by_loop.pop(other, None)
        if bridge is not None:
            # Whoever still waits for an answer from there gets one: a closed loop cannot run it.
            bridge.serve()
            bridge.unbind()
            end_tasks(bridge)
    bridge = _by_loop[loop] = Bridge(loop)
    return bridge


async def _call(answer):
    return await answer


async def call(extension, method, args, kwargs, timeout, readonly, on_progress=None):
    called = extension._new_method(extension, method, timeout, readonly, on_progress)
    return await native.begin(called, args, kwargs)


def call_sync(extension, method, args, kwargs, timeout, readonly, on_progress=None):
    return extension._new_sync_method(extension, method, timeout, readonly, on_progress)(
        *args, **kwargs
    )


def _to_exception(extension, domain, code, message, described):
    error = _host_errors.of_failure(domain, code, message, described)
    if isinstance(error, _host_errors.ENDED):
        extension._ended = True
    return error


native.set_call_hooks(
    _by_loop, current, _call, _to_exception, current_invocation, asyncio._get_running_loop
)


class _Home:
    """The thread in which the library's objects live, for all managers."""

    def __init__(self):
        self.context = native.Context()
        self.managers = {}
        self.ending = False
        self.thread = threading.Thread(target=self._main, name="pyisolate", daemon=True)
        self.thread.start()
        atexit.register(self._at_exit)

    def _main(self):
        self.context.push()
        while not self.ending:
            self.context.iterate(True)

    def start(self, function):
        """Have function(future) called there; it settles the future, now or later."""
        future = concurrent.futures.Future()
        if self.ending:
            error = _host_errors.not_running("Python is ending, and the extensions have ended")
            future.set_exception(error)
            return future

        self.context.invoke(lambda: _begin(function, future))
        return future

    def is_here(self):
        """Handlers of progress and of the log run there, and it cannot wait for itself."""
        return threading.current_thread() is self.thread

    def run(self, function):
        """Have function() called there, and wait for what it returns."""
        if self.is_here():
            return function()
        return wait_for(self.start(lambda future: future.set_result(function())))

    def _at_exit(self):
        if native.is_forked():
            return
        for gmanager in list(self.managers.values()):
            for extension in list(gmanager):
                extension.kill()
        self.ending = True
        self.context.wakeup()
        self.thread.join(5)


_home = None
_home_lock = threading.Lock()


def home():
    global _home
    with _home_lock:
        if _home is None:
            _home = _Home()
        return _home


def begin(function):
    """The future that function(future), called here, settles now or later."""
    future = concurrent.futures.Future()
    _begin(function, future)
    return future


def _begin(function, future):
    try:
        function(future)
    except BaseException as error:
        if not future.done():
            future.set_exception(error)


def _check_place(future):
    if home().is_here() and not future.done():
        raise RuntimeError(
            "A handler that the library calls in its own thread cannot wait for what is done in "
            "that: for an extension to be loaded or stopped"
        )


def wait_for(future):
    """Block until a future of the home's is settled; singletons are served meanwhile."""
    _check_place(future)
    bridge = current()
    future.add_done_callback(lambda _: bridge.context.wakeup())
    bridge.wait(future.done)
    return future.result()


def settle(future, finish):
    """A callback for the library's functions that settles a future with what finish() gives."""

    def done(source, result):
        try:
            finish(result)
        except GLib.Error as error:
            future.set_exception(_host_errors.of_glib(error))
        else:
            future.set_result(None)

    return done


def all_of(futures):
    """One future for all of them: done when they are, with the first exception that there was."""
    whole = concurrent.futures.Future()
    waiting = list(futures)
    if not waiting:
        whole.set_result(None)
    lock = threading.Lock()

    def one_done(future):
        with lock:
            waiting.remove(future)
            if waiting:
                return
        errors = [future.exception() for future in futures if future.exception() is not None]
        if errors:
            whole.set_exception(errors[0])
        else:
            whole.set_result(None)

    for future in futures:
        future.add_done_callback(one_done)
    return whole


async def until(future):
    """The same for coroutines. Giving up does not end what the future stands for."""
    _check_place(future)
    bridge = current()
    waiter = bridge.loop.create_future()

    def settle():
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(lambda _: bridge.context.invoke(settle))
    await waiter
    return future.result()
