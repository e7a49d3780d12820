# SPDX-License-Identifier: MIT
"""What the library's errors are in Python."""

import asyncio

from ._remote import DOMAIN, RemoteError, restore


class Error(RemoteError):
    """An error of pyisolate-glib's own: `code` is one of gi.repository.PyIsolate.Error."""


class BadConfigError(Error, ValueError):
    """The configuration cannot work."""


class EnvironmentMakingError(Error):
    """The extension's environment cannot be had: no uv, no solution, no network, no such Python."""


class StartError(Error):
    """The extension's process could not be started, or did not say hello."""


class LoadError(Error, ImportError):
    """The extension's module, or a hook of it, raised while it was loaded."""


class NoSuchMethodError(Error, AttributeError):
    """The extension has no such method."""


class BadValueError(Error, ValueError):
    """A value that cannot travel."""


class CallTimeoutError(Error, TimeoutError):
    """A deadline passed."""


class ProcessEndedError(Error, ConnectionError):
    """The extension's process died or was killed, or spoke nonsense."""


class NotRunningError(Error, RuntimeError):
    """The extension does not run."""


class LimitError(Error):
    """Too many calls at once, a chain of calls that is too deep, or file descriptors used up."""


class SandboxUnavailableError(Error, ValueError):
    """A sandbox is asked for that cannot be had: SANDBOX_UNAVAILABLE."""


for _class in [Error, *Error.__subclasses__()]:
    _class.__module__ = "pyisolate"  # where users know it from

# After these the extension has no process any more.
ENDED = (ProcessEndedError, NotRunningError)

# By the code of PyIsolate.Error, in its order.
_CLASSES = [
    Error,
    BadConfigError,
    EnvironmentMakingError,
    EnvironmentMakingError,
    EnvironmentMakingError,
    EnvironmentMakingError,
    EnvironmentMakingError,
    EnvironmentMakingError,
    StartError,
    StartError,
    LoadError,
    NoSuchMethodError,
    BadValueError,
    Error,
    CallTimeoutError,
    ProcessEndedError,
    ProcessEndedError,
    ProcessEndedError,
    ProcessEndedError,
    NotRunningError,
    LimitError,
]
_IO_CANCELLED = 19

BAD_CONFIG = 1
SPAWN = 8
IMPORT_FAILED = 10
NO_SUCH_METHOD = 11
TIMED_OUT = 14
NOT_RUNNING = 19

# Until there is a sandbox the library itself has no such code.
SANDBOX_UNAVAILABLE = -1


def bad_config(message):
    return BadConfigError(DOMAIN, BAD_CONFIG, message)


def not_running(message):
    return NotRunningError(DOMAIN, NOT_RUNNING, message)


def of_gerror(domain, code, message):
    if domain == "g-io-error-quark" and code == _IO_CANCELLED:
        return asyncio.CancelledError(message)
    if domain == DOMAIN and 0 <= code < len(_CLASSES):
        return _CLASSES[code](domain, code, message)
    return Error(domain, code, message)


def of_glib(error):
    """From a GLib.Error of PyGObject's."""
    return of_gerror(error.domain, error.code, error.message)


def of_load(error, described):
    """From the GLib.Error of a load, with the exception that was raised in the extension."""
    raised = of_glib(error)
    if described is not None:
        raised.__cause__ = restore(described)
        raised.remote_traceback = described["traceback"]
    return raised


def of_failure(domain, code, message, described):
    """From what the native module tells of a call that failed."""
    return of_gerror(domain, code, message) if described is None else restore(described)
