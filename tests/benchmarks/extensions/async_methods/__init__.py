# SPDX-License-Identifier: MIT
"""The methods that are measured, as coroutines."""

import asyncio
import time

import pyisolate

waiting = asyncio.Queue()
noticed = asyncio.Queue()
held = []
kept = []
arrived = asyncio.Event()
released = asyncio.Event()


async def echo(value):
    return value


async def first_last(array):
    flat = array.reshape(-1)
    return [float(flat[0]), float(flat[-1])]


async def length(array):
    return array.shape[0]


async def keep(array):
    kept[:] = [array]


async def kept_first_last(number):
    flat = kept[number].reshape(-1)
    return [float(flat[0]), float(flat[-1])]


async def drop():
    kept.clear()


async def sleep(seconds):
    await asyncio.sleep(seconds)
    return seconds


async def bounce(seconds, most):
    """Call the host again and again; nanoseconds of each call."""
    host = pyisolate.singleton("BenchHost")
    if await host.answer(1) != 1:
        raise ValueError("the host answers something else")
    clock = time.perf_counter_ns
    samples = []
    now = clock()
    end = now + int(seconds * 1e9)
    while now < end and len(samples) < most:
        begin = clock()
        await host.answer(1)
        now = clock()
        samples.append(now - begin)
    return samples


async def hold(value):
    """Keep a value until released."""
    held.append(value)
    arrived.set()
    await released.wait()


async def when_held(count):
    """Returns when so many values are held."""
    while len(held) < count:
        arrived.clear()
        await arrived.wait()


async def release():
    released.set()
    held.clear()
    await asyncio.sleep(0)
    released.clear()


async def wait_for_cancel():
    """Sleep until cancelled, and remember when that was."""
    waiting.put_nowait(None)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        noticed.put_nowait(time.monotonic_ns())
        raise


async def when_waiting():
    """Returns when the next call of wait_for_cancel() has begun."""
    await waiting.get()


async def when_cancelled():
    """The moment at which the last cancelled call noticed, on the clock of the whole machine."""
    return await noticed.get()
