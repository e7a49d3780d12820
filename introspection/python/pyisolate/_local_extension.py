# SPDX-License-Identifier: MIT
"""What load_extension() returns for isolated=False."""

import os
import sys
import weakref

from gi.repository import GLib

from . import _host_errors, _local
from ._extension import Doc, Extension

# What only a process or an environment of its own can have.
_NEEDS_ISOLATION = (
    "python",
    "environment",
    "env",
    "find_links",
    "index_url",
    "extra_index_urls",
    "lock_file",
    "allow_source_builds",
    "auto_update",
    "kill_on_timeout",
    "shared_memory_limit",
    "share_cuda_ipc",
)


def check(config):
    """What cannot be without isolation is an error, and so is what is not installed here."""
    for key in _NEEDS_ISOLATION:
        if config[key]:
            raise _host_errors.bad_config(
                f"{key!r} of the extension {config.name!r} needs isolation, and isolated=False "
                "is asked for: it runs in this process, with what is installed here"
            )
    for dependency in config.dependencies:
        problem = _problem_of(dependency)
        if problem is not None:
            raise _host_errors.bad_config(
                f"The extension {config.name!r} needs {dependency!r}, and {problem}; with "
                "isolated=False nothing is installed for it"
            )


def _problem_of(dependency):
    import importlib.metadata

    requirement_class = _requirement_class()
    if requirement_class is None:
        return "what is installed here cannot be compared with it, as there is no `packaging`"
    try:
        requirement = requirement_class(dependency)
    except ValueError as error:
        return f"that is no requirement: {error}"
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed for {sys.executable}"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name} {version} is installed here"
    return None


def _requirement_class():
    for name in ("packaging.requirements", "pip._vendor.packaging.requirements"):
        try:
            return __import__(name, fromlist=["Requirement"]).Requirement
        except ImportError:
            continue
    return None


def make_state_directory(application_id, name):
    """The one that it has in a process of its own, too."""
    home = os.path.abspath(GLib.get_user_state_dir())
    dots = {".": "%2E", "..": "%2E%2E"}  # a name of a directory, and none that leads elsewhere
    application = dots.get(application_id) or GLib.Uri.escape_string(application_id, None, True)
    escaped = GLib.Uri.escape_string(name, " ", True)
    directory = os.path.join(home, "pyisolate-glib", application, escaped)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise _host_errors.bad_config(
            f"The state directory of the extension {name!r} cannot be made: {error}"
        ) from None
    return directory


class LocalExtension(Extension):
    __doc__ = Doc("An extension in this process.")

    _calls = _local

    def __init__(self, manager, config, apis):
        super().__init__(manager, config)
        application_id = manager._gmanager.props.application_id
        directory = make_state_directory(application_id, config.name)
        this = weakref.ref(self)
        self._local = _local.Local(manager, this, config, apis, self._registered, directory)

    def _begin_loading(self):
        this = weakref.ref(self)

        def loaded(methods):
            extension = this()
            if extension is not None:
                extension._set_methods(methods)

        self._manager._loaded[self.name] = self
        return self._local.start(loaded)

    def _begin_stopping(self, future):
        loading = self._loading
        if loading is None:
            future.set_result(None)
        else:
            loading.add_done_callback(lambda _: self._local.stop(future))

    def _begin_ping(self, future):
        future.set_result(None)

    def kill(self):
        """There is no process to end."""
        raise RuntimeError(
            f"The extension {self.name!r} runs in this process (isolated=False), which cannot be "
            "killed for it; stop() asks it to end"
        )

    @property
    def state(self):
        """ "new", "starting", "running", "stopping", "stopped" or "failed"."""
        if self._stopped and self._loading is None:
            return "stopped"
        return self._local.state

    @property
    def pid(self):
        """This process, while the extension is loaded."""
        return os.getpid() if self._local.state == "running" else None

    @property
    def memory_usage(self):
        """Not known of a part of a process."""
        return 0

    @property
    def log_tail(self):
        """Nothing: what it prints and logs is this process's own."""
        return []
