# SPDX-License-Identifier: MIT
"""Coroutines: the main thread's event loop, and answers on whatever loop awaits them.

Imported only where the extension has a coroutine or awaits one of ours.
"""

import asyncio
import selectors

import _pyisolate_native as native

from ._dispatch import answer_exception, current, methods, report, serve

# One turn of the loop handles so many frames before it looks at anything else.
FRAMES_PER_TURN = 64

_waiters: dict = {}


class Waiter:
    """Gets what arrives for an event loop that is not the main thread's own."""

    def __init__(self, loop, inbox):
        self.loop = loop
        self.inbox = inbox
        self.futures = {}
        loop.add_reader(inbox.fileno(), self._on_wake)
        _waiters[loop] = self

    def _on_wake(self):
        for _ in range(FRAMES_PER_TURN):
            try:
                frame = self.inbox.get(0.0)
            except EOFError:
                self._on_closed()
                return
            if frame is None:
                return
            self._handle(frame)
        self.inbox.wake()

    def _handle(self, frame):
        if frame.kind == native.CALL:
            # It came back to a def which runs this loop.
            native.serve_between(serve, frame)
        elif frame.kind != native.CANCEL:
            future = self.futures.get(frame.id)
            if future is not None and not future.done():
                future.set_result(frame)

    def _on_closed(self):
        self.loop.remove_reader(self.inbox.fileno())
        for future in self.futures.values():
            if not future.done():
                future.set_exception(ConnectionResetError("The link to the host is closed"))

    def release(self):
        """A loop that is not ours is left as it was, once nothing is awaited on it."""
        if not self.futures:
            self.loop.remove_reader(self.inbox.fileno())
            del _waiters[self.loop]


async def answer_to(target, name, args, kwargs):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    waiter = _waiters.get(loop) or Waiter(loop, native.Inbox())
    try:
        number = native.send_call(waiter.inbox, current.get(), target, name, args, kwargs)
    except BaseException:
        waiter.release()
        raise
    waiter.futures[number] = future
    try:
        return await future
    finally:
        del waiter.futures[number]
        native.end_call(number)
        waiter.release()


class MainLoop:
    """The loop on which the extension's coroutines run."""

    def __init__(self, inbox):
        self.closed = False
        self.loop = _main_thread_loop()
        selector = _usual_selector(self.loop)
        self.server = native.Server(
            inbox,
            self.loop,
            asyncio._get_running_loop,
            asyncio._set_running_loop,
            self._on_other,
            self._on_closed,
            -1 if selector is None else selector.fileno(),
            None if selector is None else selector.select,
        )
        if selector is None:
            self.loop.add_reader(inbox.fileno(), self.server.serve_ready)
        else:
            self.loop._selector = _Selector(selector, self.server.select)

    def _on_other(self, frame):
        method = methods.get(frame.name)
        if frame.target:
            self.loop.stop()
        elif method is not None and method.kind == "coroutine":
            self._start(frame, method)
        else:
            serve(frame)

    def _start(self, frame, method):
        """A function that is not by itself known to run nothing before it is awaited."""
        try:
            args, kwargs = frame.call_arguments()
        except BaseException as error:
            answer_exception(frame, error)
            return
        coroutine = _awaited(method.function, args, kwargs)
        coroutine.__name__ = coroutine.__qualname__ = method.name
        try:
            self.server.start(frame, coroutine)
        except BaseException as error:
            coroutine.close()
            if frame.open:
                answer_exception(frame, error)

    def _on_closed(self):
        self.closed = True
        self.loop.stop()

    def run(self, awaitable):
        """Run a hook to its end."""
        return self.loop.run_until_complete(awaitable)

    def serve(self):
        """Serve calls until the host's Stop, which is returned, or the link's end: None."""
        while native.stop() is None and not self.closed:
            try:
                self.loop.run_forever()
            except BaseException as error:
                # A worker does not end by a SystemExit: that of a call is its answer.
                if not self._is_of_call(error):
                    report(error)
        return native.stop()

    def _is_of_call(self, error):
        return any(
            task.done() and not task.cancelled() and task.exception() is error
            for task in self.server.tasks
        )

    def end_calls(self, seconds):
        """Let what was cancelled end."""
        self._wait(self.server.tasks, seconds)

    def close(self, seconds):
        """Cancel what the extension still runs, as asyncio.run() does at its end."""
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self._wait(tasks, seconds)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _wait(self, tasks, seconds):
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=seconds))


def _main_thread_loop():
    """The loop that the extension got while it was imported if it asked for one, or a new one."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


async def _awaited(function, args, kwargs):
    result = function(*args, **kwargs)
    if hasattr(result, "__await__"):
        result = await result
    return result


class _Selector:
    """The loop's selector, but for waiting."""

    def __init__(self, selector, select):
        self.select = select
        self.register = selector.register
        self.unregister = selector.unregister
        self.modify = selector.modify
        self.get_key = selector.get_key
        self.get_map = selector.get_map
        self.close = selector.close
        self.fileno = selector.fileno


def _usual_selector(loop):
    """The selector of a loop as asyncio makes it, None of any other."""
    selector = getattr(loop, "_selector", None)
    needed = ("_ready", "_scheduled", "_stopping", "_task_factory")
    if (
        type(loop) is asyncio.SelectorEventLoop
        and type(selector) is selectors.EpollSelector
        and all(hasattr(loop, name) for name in needed)
    ):
        return selector
    return None
