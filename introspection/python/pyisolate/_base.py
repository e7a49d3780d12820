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
        self._pyisolate_local().emit_event(name, value)

    def register_callee(self, object_instance, object_id):
        """Let the host call the object's public methods, by its create_caller()."""
        self._pyisolate_local().register_callee(object_instance, object_id)

    def create_caller(self, object_type, object_id):
        """A proxy of an object that the host registered with this extension."""
        return self._pyisolate_local().create_caller(object_type, object_id)

    def use_remote(self, proxied_singleton):
        """Have a class derived from ProxiedSingleton stand for the host's object of its name."""
        self._pyisolate_local().use_remote(proxied_singleton)

    def _pyisolate_local(self):
        from . import _local

        local = _local.of_instance(self)
        if local is None:
            raise RuntimeError("Only an extension that was loaded can do that")
        return local
