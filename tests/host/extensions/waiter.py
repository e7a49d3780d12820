# SPDX-License-Identifier: MIT
"""Coroutines that wait for one another, and one def beside them, on the second thread."""

import asyncio
import time

import pyisolate

gates = {}
last = {}


def _gate(name):
    return gates.setdefault(name, asyncio.Event())


async def wait(name):
    await _gate(name).wait()
    return name


async def release(name):
    _gate(name).set()


async def hang():
    try:
        pyisolate.progress(0, "begun")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        last["cancelled"] = time.monotonic()
        raise


async def stubborn():
    """Gives an answer all the same when it is cancelled."""
    try:
        pyisolate.progress(0, "begun")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        last["cancelled"] = time.monotonic()
        return "late"


async def cancelled_at():
    while "cancelled" not in last:
        await asyncio.sleep(0.001)
    return last.pop("cancelled")


def spin():
    try:
        pyisolate.progress(0, "begun")
        while True:
            pass
    except pyisolate.CallCancelled:
        last["cancelled"] = time.monotonic()
        raise


@pyisolate.threaded
def spin_in_pool():
    return spin()


async def echo(value):
    return value
