# SPDX-License-Identifier: MIT
"""Run Python extensions in processes and environments of their own; call them as if they were here.

This is the host's side, of pyisolate-glib; extensions import a `pyisolate` of their own.
"""

from _pyisolate_host import (
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

from . import _repository  # noqa: F401, before anything of gi.repository
from ._base import ExtensionBase
from ._config import ExtensionConfig, ExtensionManagerConfig, SandboxMode
from ._extension import Extension, MethodInfo
from ._gather import gather
from ._host_errors import (
    BadConfigError,
    BadValueError,
    CallTimeoutError,
    EnvironmentMakingError,
    Error,
    LimitError,
    LoadError,
    NoSuchMethodError,
    NotRunningError,
    ProcessEndedError,
    SandboxUnavailableError,
    StartError,
)
from ._manager import ExtensionManager, LoadResult
from ._progress import Progress
from ._remote import RemoteError
from ._singleton import ProxiedSingleton, current_caller, local_execution, singleton_scope

__version__ = "0.1.0"

__all__ = [
    "BadConfigError",
    "BadValueError",
    "CallTimeoutError",
    "EnvironmentMakingError",
    "Error",
    "Extension",
    "ExtensionBase",
    "ExtensionConfig",
    "ExtensionManager",
    "ExtensionManagerConfig",
    "FileDescriptor",
    "LimitError",
    "LoadError",
    "LoadResult",
    "MethodInfo",
    "NoSuchMethodError",
    "NotRunningError",
    "ProcessEndedError",
    "Progress",
    "ProxiedSingleton",
    "RemoteError",
    "SandboxMode",
    "SandboxUnavailableError",
    "StartError",
    "Tensor",
    "current_caller",
    "empty",
    "from_numpy",
    "gather",
    "is_shared",
    "local_execution",
    "register_encoder",
    "register_type",
    "share",
    "singleton_scope",
    "zeros",
]

_NOT_BUILT = (
    "SealedNodeExtension",
    "flush_tensor_keeper",
    "get_adapter",
    "purge_orphan_sender_shm_files",
    "register_adapter",
)


def __getattr__(name):
    if name in _NOT_BUILT:
        raise ImportError(
            f"{name!r} of the Python pyisolate is not built here; docs/migrating.md says why, and "
            "what to use"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
