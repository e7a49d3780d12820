# SPDX-License-Identifier: MIT
"""Defs that run an event loop of their own, on each kind of thread."""

import asyncio
import functools
import operator
import selectors
import sys
import threading
import time

import pyisolate

seen = []
runs_a_loop = None
"""The thread that has begun to."""


async def waits():
    """Once a def has begun and waits for nothing but its loop's descriptors."""
    while True:
        frame = sys._current_frames().get(runs_a_loop)
        if frame is not None and frame.f_code is selectors.EpollSelector.select.__code__:
            return
        await asyncio.sleep(0.001)


def _begin():
    global runs_a_loop
    runs_a_loop = threading.get_ident()
    pyisolate.emit_event("begun")


def _spin():
    _begin()
    while True:
        pass


def _ask():
    pyisolate.singleton("host").sync.silent()


async def _in_callback():
    asyncio.get_running_loop().call_soon(_spin)
    await asyncio.Event().wait()


async def _in_task():
    async def step():
        _spin()

    task = asyncio.create_task(step())
    await asyncio.Event().wait()
    del task


async def _asking():
    asyncio.get_running_loop().call_soon(_ask)
    await asyncio.Event().wait()


async def _turning():
    async def turn():
        while True:
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(turn()) for _ in range(3)]
    _begin()
    await asyncio.Event().wait()
    del tasks


async def _waiting():
    asyncio.get_running_loop().call_soon(_begin)
    await asyncio.Event().wait()


async def _blocking():
    """In one callback: what ends _begin() must not leave the rest to asyncio.run()'s end."""
    steps = map(operator.methodcaller("__call__"), [_begin, functools.partial(time.sleep, 600)])
    asyncio.get_running_loop().call_soon(list, steps)
    await asyncio.Event().wait()


async def _called_back():
    """By _on_main() and its like once more, which run in a callback of this loop."""
    await pyisolate.singleton("host").call_back("again")


KINDS = {
    "callback": _in_callback,
    "task": _in_task,
    "asking": _asking,
    "turning": _turning,
    "waiting": _waiting,
    "blocking": _blocking,
    "called back": _called_back,
}


def _run(kind):
    try:
        if kind != "nothing":
            asyncio.run(KINDS[kind]())
    except Exception:
        seen.append("an Exception")
        raise
    except pyisolate.CallCancelled:
        seen.append("CallCancelled")
        raise
    return threading.current_thread().name


@pyisolate.inline
def on_main(kind):
    return _run(kind)


def on_second(kind):
    return _run(kind)


@pyisolate.threaded
def on_pool(kind):
    return _run(kind)


def again():
    """Runs where what called it back waits."""
    _spin()


def take_seen():
    taken = seen[:]
    seen.clear()
    return taken
