# SPDX-License-Identifier: MIT
"""What extensions tell unasked."""

import _pyisolate_host as native
from gi.repository import GLib

from . import _alone, _logging

_tasks = set()
"""Those of handlers that are async: an event loop itself keeps no task alive."""


def on_event(gextension, name, value, this):
    """Of no call, or of one that has ended: in the home thread."""
    manager = this()
    extension = None if manager is None else manager._loaded.get(gextension.props.name)
    if extension is not None:
        boxed = GLib.Variant.new_variant(value).get_data_as_bytes().get_data()
        deliver(extension, name, lambda: native.decode_value(boxed))


def on_call_event(extension, name, data, bridge):
    """Of a call: where that was made, by the bridge, in order with its answer."""
    deliver(extension, name, lambda: native.decode_value(data), bridge)


def deliver(extension, name, get_value, here=None):
    """Call the handler of an event on the manager's loop: at once if that is `here`. For a host
    without event loops it is called where the call was made that the event is of."""
    handler = extension._handlers.get(name)
    if handler is None:
        return

    manager = extension._manager
    bridge = manager._bridge

    def run():
        _run(bridge, extension, name, handler, get_value)

    if bridge is None and here is None:
        manager._run_in_thread(run)
    elif bridge is None:
        run()
    elif bridge.closed:
        _logging.own.warning(
            "The event %r of the extension %r has a handler on an event loop that is closed",
            name,
            extension.name,
        )
    elif bridge is here:
        manager._context.copy().run(run)
    else:
        bridge.context.invoke(lambda: manager._context.copy().run(run))


def _run(bridge, extension, name, handler, get_value):
    try:
        value = get_value()
    except Exception:
        _logging.own.exception("The value of %r of %r is none here", name, extension.name)
        return
    try:
        result = handler(value)
        if hasattr(result, "__await__"):
            awaiting = _awaiting(result, extension, name)
            if bridge is None:
                _alone.run_at_once(awaiting)
            else:
                task = bridge.loop.create_task(awaiting)
                _tasks.add(task)
                task.add_done_callback(_tasks.discard)
    except KeyboardInterrupt:
        raise  # it is for whoever waits
    except BaseException:
        _report(extension, name)


async def _awaiting(awaitable, extension, name):
    try:
        await awaitable
    except Exception:
        _report(extension, name)


def _report(extension, name):
    _logging.own.exception("The handler of %r of %r failed", name, extension.name)
