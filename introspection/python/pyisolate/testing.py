# SPDX-License-Identifier: MIT
"""For the tests of who writes extensions: pytest fixtures, and what they are made of.

The fixtures are there with `pytest -p pyisolate.testing`, or by `pytest_plugins =
["pyisolate.testing"]` in the topmost conftest.py. `load_extension(path, …)` loads an extension, in
a process and an environment as its users will have it, or with isolated=False in this one, where a
debugger sees it; `extension_manager` is the manager that it is loaded by. Each test has singletons
of its own, and what it loaded is stopped at its end.
"""

import contextlib
import queue

from . import _bridge
from ._base import ExtensionBase
from ._config import ExtensionConfig, ExtensionManagerConfig
from ._manager import ExtensionManager
from ._singleton import ProxiedSingleton, singleton_scope

__all__ = ["Events", "fake_singleton", "loading", "managing"]


def fake_singleton(name, **members):
    """A class for `apis` that stands for the application's `module.Class`.

    `members` are its methods (functions whose first parameter is `self`, `def` or `async def`) and
    attributes; others are made in `__init__`.
    """
    module, _, cls = name.rpartition(".")
    if not module:
        raise ValueError(f"A singleton is named with its module, 'module.Class', not {name!r}")
    return type(ProxiedSingleton)(cls, (ProxiedSingleton,), {**members, "__module__": module})


class Events:
    """The events of these names that an extension emits, in their order."""

    def __init__(self, extension, *names):
        self.all = []
        self._queue = queue.SimpleQueue()
        for name in names:
            extension.register_event_handler(name, self._handler_for(name))

    def _handler_for(self, name):
        def handler(value):
            self.all.append((name, value))
            self._queue.put((name, value))

        return handler

    def next(self, timeout=30.0):
        """The next (name, value); an AssertionError after so many seconds. For a `def`."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"No event came in {timeout:g} s") from None


@contextlib.contextmanager
def managing(**config):
    """A manager, with singletons of its own; what it has loaded is stopped at the end."""
    with singleton_scope(fresh=True):
        manager = ExtensionManager(ExtensionBase, ExtensionManagerConfig(**config))
        try:
            yield manager
        finally:
            if manager._bridge is not None and manager._bridge.closed:
                manager._bridge = None  # what stop hooks call runs in a thread then
            manager.stop_all_extensions()


def loading(manager):
    """The function load_extension(path, **config) for this manager.

    What the extension's own files say, as to its dependencies, holds where `config` does not.
    """

    def load_extension(path, **config):
        extension = manager.load_extension(ExtensionConfig.from_directory(path, **config))
        _bridge.wait_for(extension._load())
        return extension

    return load_extension


try:
    import pytest
except ImportError:
    pass  # the rest does without
else:

    @pytest.fixture
    def extension_manager():
        """A manager for this test; environments are kept in the user's cache between runs."""
        with managing(application_id="pytest") as manager:
            yield manager

    @pytest.fixture
    def load_extension(extension_manager):
        """load_extension(path, **config): the extension, loaded."""
        return loading(extension_manager)
