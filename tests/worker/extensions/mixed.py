# SPDX-License-Identifier: MIT
"""Both kinds: the defs run beside the loop."""

import asyncio
import threading
import time

import pyisolate

release = threading.Event()
barrier = threading.Barrier(2)


def _where():
    thread = threading.current_thread()
    return "main" if thread is threading.main_thread() else thread.name


async def coroutine():
    return _where()


def function():
    return _where()


@pyisolate.inline
def inline():
    return _where()


@pyisolate.threaded
def threaded():
    return _where()


@pyisolate.inline
def inline_runs_a_loop(n):
    return asyncio.run(_double(n))


def second_runs_a_loop(n):
    return asyncio.run(_double(n))


async def _double(n):
    await asyncio.sleep(0)
    return 2 * n


async def add(a, b):
    return a + b


def block():
    release.wait()
    return "released"


async def unblock():
    release.set()


@pyisolate.threaded
def meet():
    """Two at once, or never."""
    barrier.wait()
    return "met"


def busy():
    while True:
        pass


@pyisolate.threaded
def busy_in_pool():
    while True:
        pass


class Busy:
    def __del__(self):
        pyisolate.emit_event("begun")
        busy()


def busy_in_finalizer():
    """Python drops what is raised in there."""
    Busy()
    busy()


@pyisolate.threaded
def busy_in_finalizer_in_pool():
    busy_in_finalizer()


def sleepy():
    while True:
        time.sleep(0.001)


@pyisolate.inline
def sync_echo_inline(value):
    return pyisolate.singleton("host").sync.echo(value)


async def sync_echo(value):
    return pyisolate.singleton("host").sync.echo(value)


async def sync_call_back(method):
    return pyisolate.singleton("host").sync.call_back(method)


@pyisolate.inline
def inline_call_back(method):
    return pyisolate.singleton("host").sync.call_back(method)


@pyisolate.inline
def inline_loop_call_back(method):
    async def main():
        return await pyisolate.singleton("host").call_back(method)

    return asyncio.run(main())


def second_call_back(method):
    return pyisolate.singleton("host").sync.call_back(method)


def second_waits():
    return pyisolate.singleton("host").sync.silent()


@pyisolate.threaded
def pool_waits():
    return pyisolate.singleton("host").sync.silent()


@pyisolate.threaded
def pool_call_back(method, *args):
    return pyisolate.singleton("host").sync.call_back(method, *args)


@pyisolate.threaded
def pool_down(n):
    return 1 + pyisolate.singleton("host").sync.call_back("pool_down", n - 1) if n else 0


def down(n):
    return 1 + pyisolate.singleton("host").sync.call_back("down", n - 1) if n else 0


async def down_async(n):
    return 1 + await pyisolate.singleton("host").call_back("down_async", n - 1) if n else 0


async def zigzag(n):
    return 1 + await pyisolate.singleton("host").call_back("zigzag_back", n - 1) if n else 0


def zigzag_back(n):
    return 1 + pyisolate.singleton("host").sync.call_back("zigzag", n - 1) if n else 0


def own_loop_down(n):
    """A def awaits on a loop of its own, and what comes back is a def again."""
    if not n:
        return 0

    async def main():
        return await pyisolate.singleton("host").call_back("own_loop_down", n - 1)

    return 1 + asyncio.run(main())


begun = threading.Event()
let_go = threading.Event()


@pyisolate.inline
def hold():
    """Keeps the main thread until another one runs let_main_go()."""
    begun.set()
    return let_go.wait(20)


async def hold_in_step():
    """The same, before it awaits anything."""
    begun.set()
    return let_go.wait(20)


def let_main_go(value):
    """Once it has asked the host, while the main thread is held."""
    begun.wait()
    answer = pyisolate.singleton("host").sync.echo(value)
    let_go.set()
    return answer
