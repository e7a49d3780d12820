# SPDX-License-Identifier: MIT
"""Coroutines of singletons in a thread that has no event loop, each as by asyncio.run().

To make a loop takes longer than many a coroutine: the thread keeps it for the next one, unless
something is left in it that asyncio.run() would end.
"""

import asyncio
import collections
import contextvars
import threading
import weakref

_here = threading.local()


class _Kept:
    """Ends with its thread."""

    def __init__(self):
        # With a factory it does not become what get_event_loop() gives later.
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.loop = self.runner.get_loop()

    def __del__(self):
        self.loop.close()


class _Running:
    """A coroutine that runs in this thread, and those that came for it meanwhile: one at a time."""

    def __init__(self, bridge):
        self.bridge = bridge
        self.waiting = bridge.waiting
        self.later = collections.deque()

    def is_at(self, bridge):
        """Not below a .sync call, which waits for what this one cannot do until that returns."""
        return self.bridge is bridge and self.waiting == bridge.waiting


def run(coroutine, context, bridge, give_up):
    """To its end, in this context, or after that which runs already. What is raised by one of them
    ends the others, too; give_up(error) is called for each that it has kept from its end."""
    stack = _here.__dict__.setdefault("stack", [])
    this = coroutine, context, give_up
    if stack and stack[-1].is_at(bridge):
        stack[-1].later.append(this)
        return
    running = _Running(bridge)
    stack.append(running)
    try:
        _run(coroutine, context)
        while running.later:
            this = running.later.popleft()
            _run(*this[:2])
    except BaseException as error:
        for coroutine, _, give_up in [this, *running.later]:
            coroutine.close()
            give_up(error)
        raise
    finally:
        stack.remove(running)


def run_at_once(coroutine):
    """To its end, though a loop of this thread's may be at work, which waits."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        _run(_run_here(coroutine), contextvars.copy_context())
    finally:
        asyncio._set_running_loop(running)


async def _run_here(coroutine):
    note_loop()
    await coroutine


def note_loop():
    """The running loop is one of these: no application's, and nothing is to be left for it."""
    _here.__dict__.setdefault("loops", weakref.WeakSet()).add(asyncio.get_running_loop())


def has_loop(loop):
    return loop in getattr(_here, "loops", ())


def _run(coroutine, context):
    if not hasattr(asyncio, "Runner") or asyncio._get_running_loop() is not None:
        context.run(asyncio.run, coroutine)
        return
    kept = getattr(_here, "kept", None) or _Kept()
    _here.kept = None
    try:
        kept.runner.run(coroutine, context=context)
    except BaseException:
        kept.runner.close()
        raise
    if _has_left(kept.loop):
        kept.runner.close()
    else:
        _here.kept = kept


class Serving:
    """Of what comes for the thread while its loop runs: the end of the call that it waits for, the
    cancellation of one that runs, methods of singletons that do not need a loop."""

    def __init__(self, bridge, after):
        self._bridge = bridge
        self._after = after
        self._loop = asyncio.get_running_loop()
        note_loop()

    def __enter__(self):
        self._loop.add_reader(self._bridge.fileno(), self._serve)
        self._bridge.wakeup()  # of what is left in the turn that led here no descriptor tells

    def __exit__(self, *exception):
        self._loop.remove_reader(self._bridge.fileno())

    def _serve(self):
        asyncio._set_running_loop(None)  # what is called is not of this loop
        try:
            self._bridge.serve()
        finally:
            asyncio._set_running_loop(self._loop)
        self._after()


def _has_left(loop):
    """Of a loop of another make it is not known."""
    try:
        handles = [*loop._ready, *loop._scheduled]
        return bool(
            any(not handle.cancelled() for handle in handles)
            or asyncio.all_tasks(loop)
            or loop._asyncgens
            or loop._default_executor
            or loop._signal_handlers
            or len(loop._selector.get_map()) > 1  # it watches itself
        )
    except AttributeError:
        return True
