# SPDX-License-Identifier: MIT
"""asyncio in applications that run a GLib or GTK main loop.

`start(coroutine)` runs a coroutine beside the main loop that runs already: from a GLib callback, on
the same thread, with PyGObject of any version. `run(coroutine)` is asyncio.run() on an event loop
that iterates GLib's default main context while it waits, so that widgets live meanwhile; it may be
called inside of a GLib callback too. EventLoopPolicy makes that the loop of asyncio.run() itself.

All of it is for the main thread, whose main context is the default one.
"""

import asyncio
import math
import selectors
import sys
import threading

from gi.repository import GLib

__all__ = ["EventLoop", "EventLoopPolicy", "run", "start"]


class _Selector(selectors.EpollSelector):
    """Waits by iterating the main context."""

    def __init__(self):
        super().__init__()
        self.in_turn = False
        self._readable = False
        self._watch = GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, self.fileno(), GLib.IOCondition.IN, self._on_readable
        )
        self.on_readable = None

    def _on_readable(self, fd, condition):
        self._readable = True
        if self.on_readable is not None:
            self.on_readable()
        return GLib.SOURCE_CONTINUE

    def select(self, timeout=None):
        if not self.in_turn:
            self._wait(timeout)
        return super().select(0)

    def _wait(self, timeout):
        context = GLib.MainContext.default()
        if timeout is not None and timeout <= 0:
            context.iteration(False)
            return
        late = []
        timer = None
        if timeout is not None:
            timer = GLib.timeout_add(math.ceil(timeout * 1000), late.append, True)
        self._readable = False
        try:
            while not (self._readable or late):
                context.iteration(True)
        finally:
            if timer is not None and not late:
                GLib.source_remove(timer)

    def close(self):
        if self._watch is not None:
            GLib.source_remove(self._watch)
            self._watch = None
        super().close()


class EventLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in GLib's default main context.

    Run as any other, it iterates the main context while it waits. After attach() it takes its turns
    when the main context has something for it, and needs not be run.
    """

    def __new__(cls):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("GLib's default main context belongs to the main thread")
        return super().__new__(cls)

    def __init__(self):
        self._attached = False
        self._turn = None
        self._again = False
        super().__init__(_Selector())

    def attach(self):
        self._attached = True
        self._selector.on_readable = self._take_turn
        self._want_turn()

    def call_soon(self, callback, *args, context=None):
        handle = super().call_soon(callback, *args, context=context)
        self._again = True
        self._want_turn()
        return handle

    def call_at(self, when, callback, *args, context=None):
        handle = super().call_at(when, callback, *args, context=context)
        if self._attached:
            delay = math.ceil(max(0, when - self.time()) * 1000)
            GLib.timeout_add(delay, self._on_timer)
        return handle

    def _want_turn(self):
        if self._attached and self._turn is None and not self.is_running():
            self._turn = GLib.idle_add(self._on_turn, priority=GLib.PRIORITY_DEFAULT)

    def _on_turn(self):
        self._turn = None
        self._take_turn()
        return GLib.SOURCE_REMOVE

    def _on_timer(self):
        self._take_turn()
        return GLib.SOURCE_REMOVE

    def _take_turn(self):
        """Do what is due, without waiting."""
        if self.is_closed() or self.is_running():
            return
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        self._again = False
        self._selector.in_turn = True
        try:
            self.stop()
            self.run_forever()
        finally:
            self._selector.in_turn = False
            asyncio._set_running_loop(outer)
            if self._again:
                self._want_turn()

    def close(self):
        if self._turn is not None:
            GLib.source_remove(self._turn)
            self._turn = None
        super().close()


class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """asyncio.run() in the main thread iterates GLib's main context with this policy."""

    def new_event_loop(self):
        if threading.current_thread() is threading.main_thread():
            return EventLoop()
        return super().new_event_loop()


_attached = None
_tasks = set()


def start(awaitable):
    """Run it beside the main loop, from now on; returns the asyncio.Task.

    Where an asyncio loop runs already, as PyGObject's own does from 3.50 on, that runs it.
    """
    global _attached
    loop = asyncio._get_running_loop()
    if loop is None:
        if _attached is None or _attached.is_closed():
            _attached = EventLoop()
            _attached.attach()
        loop = _attached
    task = loop.create_task(_awaiting(awaitable))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


async def _awaiting(awaitable):
    return await awaitable


def run(main, *, debug=None):
    """asyncio.run() while widgets live: also inside of a callback of the main loop."""
    if sys.version_info >= (3, 11):
        with asyncio.Runner(debug=debug, loop_factory=EventLoop) as runner:
            return runner.run(main)
    policy = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(EventLoopPolicy())
    try:
        return asyncio.run(main, debug=debug)
    finally:
        asyncio.set_event_loop_policy(policy)
