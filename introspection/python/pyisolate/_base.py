# SPDX-License-Identifier: MIT
"""The class that extensions derive from, for hosts that name it and for isolated=False."""


class ExtensionBase:
    """The public methods of the one class derived from this are what the host can call."""

    def before_module_loaded(self):
        """Runs first, before on_module_loaded()."""

    def on_module_loaded(self, module):
        """Runs before the first call; `module` is the extension's module."""

    def stop(self):
        """Runs when the host stops the extension."""

    def emit_event(self, name, value=None):
        """Send an event to the host."""
        from . import _local

        local = _local.of_instance(self)
        if local is None:
            raise RuntimeError("Only an extension that was loaded can emit events")
        local.emit_event(name, value)
