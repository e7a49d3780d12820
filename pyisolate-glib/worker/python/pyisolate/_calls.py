# SPDX-License-Identifier: MIT
"""Calls of the host's singletons, and what a call tells while it runs."""

import _pyisolate_native as native

from ._dispatch import current, serve
from ._remote import RemoteError, restore


def result_of(answer):
    if answer.kind == native.RETURN:
        return answer.value()

    raise error_of(answer)


def error_of(answer):
    """The exception for an ERROR from the host."""
    details = answer.details()
    described = details.get("exception")
    if isinstance(described, dict):
        return restore(described)
    return RemoteError(details.get("domain", answer.name), details.get("code", -1), answer.message)


def call_sync(target, name, args=(), kwargs=None):
    """Call and wait; what the host calls because of it is served by this thread meanwhile."""
    return result_of(native.call_sync(serve, current.get(), target, name, args, kwargs or {}))


async def _call_elsewhere(target, name, args, kwargs):
    """On a loop that is not the main thread's, or not there any more."""
    from . import _asyncio

    return result_of(await _asyncio.answer_to(target, name, args, kwargs))


call_async = native.call_host
native.set_call_helpers(error_of, _call_elsewhere)


def emit_event(name: str, value=None) -> None:
    """Send an event to the host: inside a call as a part of it, in order with its answer."""
    native.event(current.get(), name, value)


def progress(fraction: float, text: str = "") -> None:
    """Tell the caller how far the running call is: a fraction from 0 to 1, and words."""
    call = current.get()
    if call is None:
        raise RuntimeError("pyisolate.progress() tells of a call, and no call is running here")
    native.progress(call, fraction, text)
