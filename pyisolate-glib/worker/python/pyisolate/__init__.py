# SPDX-License-Identifier: MIT
"""What an extension can ask of pyisolate-glib, from inside its own process."""

from _pyisolate_native import (
    CallCancelled,
    FileDescriptor,
    Tensor,
    empty,
    from_numpy,
    is_shared,
    register_encoder,
    register_type,
    share,
    zeros,
)

from ._calls import emit_event, progress
from ._contents import inline, threaded
from ._remote import RemoteError
from ._shared import ProxiedSingleton, local_execution
from ._singleton import Proxy, singleton

__all__ = [
    "CallCancelled",
    "ExtensionBase",
    "FileDescriptor",
    "ProxiedSingleton",
    "Proxy",
    "RemoteError",
    "Tensor",
    "emit_event",
    "empty",
    "extension_name",
    "from_numpy",
    "inline",
    "is_shared",
    "local_execution",
    "progress",
    "register_encoder",
    "register_type",
    "share",
    "singleton",
    "state_directory",
    "threaded",
    "zeros",
]

extension_name = ""
"""The name under which the host loaded this extension."""

state_directory = ""
"""A directory of this extension's own, which stays; HOME and TMPDIR lie in it."""


class ExtensionBase:
    """The public methods of the one class derived from this are what the host can call.

    The three hooks may be `def` or `async def`; all of them run on the main thread.
    """

    def before_module_loaded(self) -> None:
        """Runs first, before on_module_loaded()."""

    def on_module_loaded(self, module) -> None:
        """Runs before the first call; `module` is the extension's module."""

    def stop(self) -> None:
        """Runs when the host stops the extension, after its calls were cancelled."""

    def emit_event(self, name: str, value=None) -> None:
        """Send an event to the host; see pyisolate.emit_event()."""
        emit_event(name, value)

    def register_callee(self, object_instance, object_id: str) -> None:
        """Let a host in Python call the object's public methods, by its create_caller()."""
        from . import _callees

        _callees.register(object_instance, object_id)

    def create_caller(self, object_type, object_id: str):
        """A proxy of an object that the host registered with this extension."""
        from . import _callees

        return _callees.create_caller(object_type, object_id)

    def use_remote(self, proxied_singleton: type) -> None:
        """Have a class derived from ProxiedSingleton stand for the host's object of its name."""
        from . import _callees

        _callees.use_remote(proxied_singleton)
