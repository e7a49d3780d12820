# SPDX-License-Identifier: MIT
"""Calls the host's singletons from coroutines."""

import asyncio
import contextvars

import pyisolate

codes = []


async def call(name, method, *args, **kwargs):
    return await getattr(pyisolate.singleton(name), method)(*args, **kwargs)


async def down(level):
    if level == 0:
        return 0
    try:
        return 1 + await pyisolate.singleton("nest").down(level - 1)
    except pyisolate.RemoteError as error:
        codes.append(error.code)
        raise


async def down_alone(level):
    """Begins where no call is running; gives the error at the deepest level."""
    codes.clear()
    task = contextvars.Context().run(asyncio.ensure_future, down(level))
    await asyncio.wait([task])
    return [type(task.exception()).__name__, codes[0]]


async def begin_and_cancel(name, method):
    """Cancels the call once the host says that it has begun."""
    task = asyncio.ensure_future(getattr(pyisolate.singleton(name), method)())
    await pyisolate.singleton(name).begun()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "not cancelled"


async def flood(name, method, count):
    """How many of so many calls at once were answered, and what the others got."""
    proxy = getattr(pyisolate.singleton(name), method)
    calls = [asyncio.ensure_future(proxy()) for _ in range(count)]
    pyisolate.emit_event("sent", count)
    done = await asyncio.gather(*calls, return_exceptions=True)
    errors = [error for error in done if isinstance(error, pyisolate.RemoteError)]
    return [len(done) - len(errors), sorted({(error.domain, error.code) for error in errors})]


async def together(name, method, count):
    return await asyncio.gather(
        *[getattr(pyisolate.singleton(name), method)(i) for i in range(count)]
    )


async def echo(value):
    return value
