# SPDX-License-Identifier: MIT
"""The threads of an extension with isolated=False.

As in a worker, it has a main thread, on which it is imported and whose event loop runs its
coroutines; where it mixes `async def` and `def`, a second one runs the latter. A thread that waits
in a `.sync` call does the calls that this one led to, and no others.
"""

import asyncio
import collections
import contextvars
import inspect
import threading

from . import _bridge, _events, _host_errors, _remote
from ._local_singleton import current

_lock = threading.Lock()


class Call:
    """A call of a method, from when it is made to its outcome."""

    def __init__(self, local, method, args, kwargs, done, on_progress=None):
        self.local = local
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.bridge = _bridge.current()
        self.context = contextvars.copy_context()
        self.parent = current.get()
        self.task = None
        self.timer = None
        self._done = done
        self._on_progress = on_progress

    def tell(self, fraction, text):
        """How far it is, as long as somebody waits for it."""
        if self._on_progress is not None and not self.ended:
            self.bridge.context.invoke(lambda: self._on_progress(fraction, text))

    def emit(self, extension, name, value):
        """An event, in order with the outcome."""
        bridge = self.bridge
        bridge.context.invoke(lambda: _events.deliver(extension, name, lambda: value, bridge))

    @property
    def ended(self):
        return self._done is None

    def is_part_of(self, other):
        call = self
        while call is not None and call is not other:
            call = call.parent
        return call is not None

    def settle(self, outcome):
        """The first outcome counts; the caller has it where it waits."""
        with _lock:
            done, self._done = self._done, None
            self.local.calls.discard(self)
        if done is not None:
            if self.timer is not None:
                self.timer.cancel()
            self.bridge.context.invoke(lambda: done(outcome))

    def fail(self, error):
        self.settle((False, _raisable(error)))

    def cancel(self, error=None):
        """A coroutine is cancelled; a `def` that runs is left to end, as Python ends no thread."""
        self.fail(asyncio.CancelledError() if error is None else error)
        task = self.task
        if task is not None and not task.get_loop().is_closed():
            task.get_loop().call_soon_threadsafe(task.cancel)

    def start_timer(self, seconds):
        error = _host_errors.CallTimeoutError(
            _host_errors.DOMAIN,
            _host_errors.TIMED_OUT,
            f"{self.local.name}.{self.method.name}() took more than {seconds:g} s",
        )
        self.timer = threading.Timer(seconds, self.cancel, (error,))
        self.timer.daemon = True
        self.timer.start()


def _raisable(error):
    """What means something to whoever runs the host's code arrives as what it is not."""
    if type(error).__name__ not in _remote.NOT_RAISED:
        return error
    from . import _errors

    described = _errors.describe(error)
    return _remote.restore(described)


class Seat:
    """One thread, and the calls that wait for it."""

    def __init__(self):
        self.queue = collections.deque()
        self.waits = []
        self.bridge = None
        self.ending = False

    def put(self, call):
        with _lock:
            self.queue.append(call)
            self._wake()

    def _wake(self):
        bridge = self.waits[-1][0] if self.waits else self.bridge
        bridge.context.invoke(self._serve)

    def wait(self, bridge, is_done):
        """What Bridge.wait() does in this thread."""
        bridge.waiting += 1
        with _lock:
            self.waits.append((bridge, current.get()))
        try:
            self._serve()
            while not is_done():
                bridge.context.iterate(True)
        finally:
            bridge.waiting -= 1
            with _lock:
                self.waits.pop()
                if self.queue:
                    self._wake()

    def _serve(self):
        if self.waits:
            self._serve_parts(self.waits[-1][1])
            return
        with _lock:
            call = self.queue.popleft() if self.queue else None
            if self.queue:
                self._wake()
        if call is not None:
            self.run(call)

    def _serve_parts(self, waiting):
        for call in [] if waiting is None else list(self.queue):
            if call.is_part_of(waiting):
                try:
                    self.queue.remove(call)
                except ValueError:
                    continue  # done by a wait inside of this one
                self.run(call)

    def run(self, call):
        """Do it, or begin to."""
        if call.ended:
            return
        kind = call.method.kind
        if kind == "generator":
            text = f"{call.method.name}() is a generator; values cannot be streamed, let it return"
            call.fail(TypeError(f"{text} a list"))
        elif kind == "def":
            run_def(call)
        elif self.waits:
            text = f"{call.method.name}() is async and runs on the event loop, which waits for it"
            call.fail(
                RuntimeError(f"{text} in a .sync call; await the singleton's method there instead")
            )
        else:
            self._start(call)

    def _start(self, call):
        context = call.context.copy()
        context.run(current.set, call)
        call.task = context.run(self.bridge.loop.create_task, _run_coroutine(call))
        if call.ended:
            call.task.cancel()

    def run_thread(self, ready):
        """A thread without an event loop, until the seat is not needed any more."""
        self.sit()
        ready.set()
        while not self.ending:
            self.bridge.context.iterate(True)

    def sit(self):
        """Waiting in this thread is this seat's from now on."""
        _bridge.set_seat(self)
        self.bridge = _bridge.current()

    def leave(self):
        self.ending = True
        if self.bridge is not None:
            self.bridge.context.wakeup()


async def _run_coroutine(call):
    try:
        result = await call.method.function(*call.args, **call.kwargs)
    except BaseException as error:
        call.fail(error)
    else:
        call.settle((True, result))


def run_def(call):
    """A def is no part of a coroutine: in it asyncio.run() works, on the loop's own thread too."""
    context = call.context.copy()
    context.run(current.set, call)
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        result = context.run(call.method.function, *call.args, **call.kwargs)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(f"{call.method.name}() returned a coroutine, and is not async")
    except BaseException as error:
        call.fail(error)
    else:
        call.settle((True, result))
    finally:
        asyncio._set_running_loop(running)
