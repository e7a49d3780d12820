# SPDX-License-Identifier: MIT
"""What extensions tell unasked."""

import asyncio

import _pyisolate_host as native
from gi.repository import GLib

from . import _logging

_tasks = set()
"""Those of handlers that are async: an event loop itself keeps no task alive."""


def on_event(gextension, name, value, this):
    """In the home thread."""
    manager = this()
    if manager is not None:
        boxed = GLib.Variant.new_variant(value).get_data_as_bytes().get_data()
        deliver(manager, gextension.props.name, name, lambda: native.decode_value(boxed))


def deliver(manager, extension_name, name, get_value):
    """Call the handler of an event on the manager's loop."""
    extension = manager._extensions.get(extension_name)
    handler = None if extension is None else extension._handlers.get(name)
    if handler is None:
        return

    def run():
        _run(manager, extension, name, handler, get_value)

    bridge = manager._bridge
    if bridge is None:
        manager._run_in_thread(run)
    elif bridge.closed:
        _logging.own.warning(
            "The event %r of the extension %r has a handler on an event loop that is closed",
            name,
            extension.name,
        )
    else:
        bridge.context.invoke(lambda: manager._context.copy().run(run))


def _run(manager, extension, name, handler, get_value):
    try:
        value = get_value()
    except Exception:
        _logging.own.exception("The value of %r of %r is none here", name, extension.name)
        return
    try:
        result = handler(value)
        if hasattr(result, "__await__"):
            awaiting = _awaiting(result, extension, name)
            if manager._bridge is None:
                asyncio.run(awaiting)
            else:
                task = manager._bridge.loop.create_task(awaiting)
                _tasks.add(task)
                task.add_done_callback(_tasks.discard)
    except Exception:
        _report(extension, name)


async def _awaiting(awaitable, extension, name):
    try:
        await awaitable
    except Exception:
        _report(extension, name)


def _report(extension, name):
    _logging.own.exception("The handler of %r of %r failed", name, extension.name)
