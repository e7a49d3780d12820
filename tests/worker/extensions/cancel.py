# SPDX-License-Identifier: MIT
"""Defs on the main thread that do not end by themselves."""

import asyncio
import ctypes
import functools
import operator
import os
import signal
import time

import pyisolate

seen = []


def busy():
    pyisolate.emit_event("begun")
    while True:
        pass


def busy_until(path):
    """Once it is told it ends when there is such a file."""
    try:
        busy()
    finally:
        while not os.path.exists(path):
            time.sleep(0.01)


def sleep():
    pyisolate.emit_event("begun")
    time.sleep(600)


def compute_and_sleep(seconds):
    """All of it is C: between the two, Python does not look for signals."""
    is_later = (time.monotonic() + seconds).__lt__
    compute = functools.partial(any, map(is_later, iter(time.monotonic, None)))
    steps = [compute, functools.partial(time.sleep, 600)]
    pyisolate.emit_event("begun")
    list(map(operator.methodcaller("__call__"), steps))


def catch():
    try:
        pyisolate.emit_event("begun")
        while True:
            pass
    except pyisolate.CallCancelled:
        seen.append("caught")
        return "too late"


def catch_and_go_on():
    """It is told once; the rest is its own affair."""
    try:
        pyisolate.emit_event("begun")
        while True:
            pass
    except pyisolate.CallCancelled:
        seen.append("told")
    for _ in range(1000):
        seen.append("told") if len(seen) > 100 else None
    return "went on"


def listen():
    """How many signals come in a time in which several would."""
    heard = []
    time.sleep(0)  # takes what was sent before
    handler = signal.signal(signal.SIGURG, lambda number, frame: heard.append(number))
    time.sleep(0.2)
    signal.signal(signal.SIGURG, handler)
    return len(heard)


def catch_and_listen():
    try:
        pyisolate.emit_event("begun")
        while True:
            pass
    except pyisolate.CallCancelled:
        return listen()


class Busy:
    def __del__(self):
        busy()


def busy_in_finalizer():
    """Python drops what is raised in there."""
    Busy()
    while True:
        pass


def waiting():
    try:
        return pyisolate.singleton("host").sync.silent()
    except pyisolate.CallCancelled:
        seen.append("no longer waiting")
        raise


def waiting_in_own_loop():
    """The end comes to the loop that runs inside the def."""

    async def main():
        return await pyisolate.singleton("host").silent()

    try:
        return asyncio.run(main())
    except BaseException as error:
        seen.append(type(error).__name__)
        raise


def busy_beside_tasks():
    """asyncio goes on after what a callback raises."""

    def spin():
        pyisolate.emit_event("begun")
        while True:
            pass

    async def main():
        asyncio.get_running_loop().call_soon(spin)
        await asyncio.Event().wait()

    asyncio.run(main())


def outer(method):
    try:
        return pyisolate.singleton("host").sync.call_back(method)
    except pyisolate.CallCancelled:
        seen.append("outer cancelled")
        raise


def get_seen():
    return seen


def quick():
    return 1


def note():
    seen.append("noted")
    return 1


def hold_gil(path):
    """One call in C that does not let go of the GIL until somebody writes there."""
    read = ctypes.PyDLL(None).read
    byte = ctypes.create_string_buffer(1)
    with open(path, "rb+", buffering=0) as fifo:
        pyisolate.emit_event("begun")
        return read(fifo.fileno(), byte, 1)


def alarm():
    """A handler of the extension's own raises while nothing runs."""

    def handler(number, frame):
        raise RuntimeError("from a handler")

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
