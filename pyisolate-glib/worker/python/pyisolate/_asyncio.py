# SPDX-License-Identifier: MIT
"""Coroutines: the main thread's event loop, and answers on whatever loop awaits them.

Imported only where the extension has a coroutine or awaits one of ours.
"""

import asyncio
import sys

import _pyisolate_native as native

from ._dispatch import answer, answer_exception, current, methods, new_context, serve

# One turn of the loop handles so many frames before it looks at anything else.
FRAMES_PER_TURN = 64

_waiters: dict = {}


class Waiter:
    """Gets what arrives for one event loop."""

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
                self.on_closed()
                return
            if frame is None:
                return
            self._handle(frame)
        self.inbox.wake()

    def _handle(self, frame):
        if frame.kind == native.CALL:
            self.on_call(frame)
        elif frame.kind == native.CANCEL:
            self.on_cancel(frame)
        else:
            future = self.futures.get(frame.id)
            if future is not None and not future.done():
                future.set_result(frame)

    def on_call(self, frame):
        """A call that came back to a def which runs this loop."""
        native.serve_between(serve, frame)

    def on_cancel(self, frame):
        pass

    def on_closed(self):
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


class MainLoop(Waiter):
    """The loop on which the extension's coroutines run."""

    def __init__(self, inbox):
        self.tasks = {}
        self.stop_frame = None
        self.closed = False
        super().__init__(_main_thread_loop(), inbox)

    def release(self):
        pass

    def on_call(self, frame):
        method = methods.get(frame.name)
        if frame.target:
            self.stop_frame = frame
            self.loop.stop()
        elif method is not None and method.kind == "coroutine":
            self._start(frame, method)
        else:
            serve(frame)

    def on_cancel(self, frame):
        task = self.tasks.get(frame.id)
        if task is not None:
            task.cancel()

    def on_closed(self):
        self.closed = True
        self.loop.stop()

    def run(self, awaitable):
        """Run a hook to its end."""
        return self.loop.run_until_complete(awaitable)

    def serve(self):
        """Serve calls until the host's Stop, which is returned, or the link's end: None."""
        while self.stop_frame is None and not self.closed:
            try:
                self.loop.run_forever()
            except BaseException as error:
                # From a task or callback of the extension's own: a worker does not end by that.
                sys.excepthook(type(error), error, error.__traceback__)
        return self.stop_frame

    def _start(self, frame, method):
        try:
            args, kwargs = frame.call_arguments()
        except BaseException as error:
            answer_exception(frame, error)
            return
        coroutine = self._run_call(frame, method.function, args, kwargs)
        coroutine.__name__ = coroutine.__qualname__ = method.name
        try:
            task = start_task(self.loop, coroutine, new_context(frame))
        except BaseException as error:
            coroutine.close()
            if frame.open:
                answer_exception(frame, error)
            return
        if not task.done():
            self.tasks[frame.id] = task

    async def _run_call(self, frame, function, args, kwargs):
        # An exception never reaches the task: SystemExit would end the loop.
        try:
            result = function(*args, **kwargs)
            if hasattr(result, "__await__"):
                result = await result
        except BaseException as error:
            answer_exception(frame, error)
        else:
            answer(frame, result)
        finally:
            self.tasks.pop(frame.id, None)

    def end_calls(self, seconds):
        """Let what was cancelled end."""
        self._wait(list(self.tasks.values()), seconds)

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


if sys.version_info >= (3, 12):

    def start_task(loop, coroutine, context):
        """Make a task whose first step runs at once."""
        if loop.get_task_factory() is not None:
            return loop.create_task(coroutine, context=context)
        return asyncio.Task(coroutine, loop=loop, context=context, eager_start=True)

else:

    def start_task(loop, coroutine, context):
        """Make a task whose first step runs at once, which it would leave to the next turn."""
        steps = []

        def call_soon(callback, *args, context=None):
            steps.append((callback, args, context))

        if loop.get_task_factory() is not None or not hasattr(loop, "__dict__"):
            return context.run(loop.create_task, coroutine)
        loop.call_soon = call_soon
        try:
            task = context.run(asyncio.Task, coroutine, loop=loop)
        finally:
            del loop.call_soon
        for callback, args, step_context in steps:
            step_context.run(callback, *args)
        return task
