# SPDX-License-Identifier: MIT
"""Coroutines of singletons in a thread that has no event loop, each as by asyncio.run().

To make a loop takes longer than many a coroutine: the thread keeps it for the next one, unless
something is left in it that asyncio.run() would end.
"""

import asyncio
import threading

_here = threading.local()


class _Kept:
    """Ends with its thread."""

    def __init__(self):
        # With a factory it does not become what get_event_loop() gives later.
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.loop = self.runner.get_loop()

    def __del__(self):
        self.loop.close()


def run(coroutine, context):
    """To its end, in this context."""
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
