# SPDX-License-Identifier: MIT
# The types of what a host in Python uses. The methods of an extension are known when it is loaded;
# to a type checker they are callables that return awaitables of anything.

from asyncio import Future
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from inspect import Signature
from os import PathLike
from types import ModuleType, TracebackType
from typing import Any, TypeVar, final

from typing_extensions import Self

_T = TypeVar("_T")
_Path = str | PathLike[str]
_Function = TypeVar("_Function", bound=Callable[..., object])
_Handler = Callable[[Any], object]

__version__: str
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

# --- configurations ---

class SandboxMode(Enum):
    REQUIRED = "required"
    DISABLED = "disabled"

class _Config(dict[str, Any]):
    def __setattr__(self, key: str, value: Any) -> None: ...
    def copy(self) -> Self: ...

class ExtensionManagerConfig(_Config):
    def __init__(
        self,
        values: Mapping[str, Any] | Iterable[tuple[str, Any]] = ...,
        /,
        *,
        venv_root_path: _Path | None = None,
        application_id: str | None = None,
        python: str | None = None,
        torch_environment: _Path | None = None,
        uv_path: _Path | None = None,
        max_parallel_installs: int = 2,
        max_parallel_starts: int = 4,
        show_progress: bool | None = None,
    ) -> None: ...
    venv_root_path: _Path | None
    application_id: str | None
    python: str | None
    torch_environment: _Path | None
    uv_path: _Path | None
    max_parallel_installs: int
    max_parallel_starts: int
    show_progress: bool | None

class ExtensionConfig(_Config):
    def __init__(
        self,
        values: Mapping[str, Any] | Iterable[tuple[str, Any]] = ...,
        /,
        *,
        name: str = ...,
        module_path: _Path = ...,
        isolated: bool = True,
        dependencies: Sequence[str] = ...,
        apis: Sequence[type[ProxiedSingleton] | ProxiedSingleton | str] = ...,
        share_torch: bool = False,
        share_cuda_ipc: bool = False,
        sandbox_mode: SandboxMode | str | None = ...,
        sandbox: Mapping[str, Any] | None = None,
        env: Mapping[str, str] = ...,
        python: str | None = None,
        environment: _Path | None = None,
        source_paths: Sequence[_Path] = ...,
        find_links: Sequence[str] = ...,
        index_url: str | None = None,
        extra_index_urls: Sequence[str] = ...,
        lock_file: _Path | None = None,
        allow_source_builds: bool = False,
        auto_update: bool = False,
        call_timeout: float | None = None,
        start_timeout: float | None = 60.0,
        stop_timeout: float | None = 5.0,
        kill_on_timeout: bool = False,
        shared_memory_limit: int | None = None,
    ) -> None: ...
    @classmethod
    def from_directory(cls, path: _Path, **more: Any) -> Self: ...
    name: str
    module_path: _Path
    isolated: bool
    dependencies: list[str]
    apis: list[type[ProxiedSingleton] | ProxiedSingleton | str]
    share_torch: bool
    share_cuda_ipc: bool
    sandbox_mode: SandboxMode | str | None
    sandbox: Mapping[str, Any] | None
    env: dict[str, str]
    python: str | None
    environment: _Path | None
    source_paths: list[_Path]
    find_links: list[str]
    index_url: str | None
    extra_index_urls: list[str]
    lock_file: _Path | None
    allow_source_builds: bool
    auto_update: bool
    call_timeout: float | None
    start_timeout: float | None
    stop_timeout: float | None
    kill_on_timeout: bool
    shared_memory_limit: int | None

# --- the manager ---

class Progress:
    extension: str
    stage: str
    fraction: float
    text: str
    overall: float
    def __init__(
        self, extension: str, stage: str, fraction: float, text: str, overall: float
    ) -> None: ...

class LoadResult(dict[str, Extension]):
    failed: dict[str, BaseException]
    def __init__(
        self, extensions: Mapping[str, Extension], failed: dict[str, BaseException]
    ) -> None: ...

class ExtensionManager:
    extension_type: type[ExtensionBase] | None
    config: ExtensionManagerConfig
    def __init__(
        self,
        extension_type: type[ExtensionBase] | None = None,
        config: ExtensionManagerConfig | Mapping[str, Any] | None = None,
    ) -> None: ...
    def load_extension(self, config: ExtensionConfig | Mapping[str, Any]) -> Extension: ...
    async def load_all(
        self, configs: Iterable[ExtensionConfig | Mapping[str, Any]]
    ) -> LoadResult: ...
    @property
    def extensions(self) -> dict[str, Extension]: ...
    def on_progress(self, handler: Callable[[Progress], object]) -> None: ...
    @property
    def progress(self) -> float: ...
    def stop_extension(self, name: str, extension: Extension | None = None) -> Awaitable[None]: ...
    def stop_all_extensions(self) -> Awaitable[None]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exception: object) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

# --- an extension ---

class MethodInfo:
    name: str
    doc: str | None
    signature: str
    is_async: bool
    runs_on: str
    parameters: list[tuple[str, str, str | None, str | None]]
    def to_signature(self) -> Signature: ...

class _Method:
    __name__: str
    __qualname__: str
    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[Any]: ...

class _SyncMethod:
    __name__: str
    __qualname__: str
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

class _Api:
    def __getattr__(self, name: str) -> _Method: ...

class _SyncApi:
    def __getattr__(self, name: str) -> _SyncMethod: ...

class _Options(_Api):
    @property
    def sync(self) -> _SyncApi: ...

class Extension:
    def __getattr__(self, name: str) -> _Method: ...
    def __await__(self) -> Generator[Any, Any, Extension]: ...
    @property
    def api(self) -> _Api: ...
    @property
    def sync(self) -> _SyncApi: ...
    def ping(self) -> Awaitable[None]: ...
    def options(
        self,
        timeout: float | None = None,
        readonly: bool = False,
        on_progress: Callable[[float, str], object] | None = None,
    ) -> _Options: ...
    def stop(self) -> Awaitable[None]: ...
    def kill(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def config(self) -> ExtensionConfig: ...
    @property
    def methods(self) -> list[MethodInfo]: ...
    @property
    def state(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def memory_usage(self) -> int: ...
    @property
    def log_tail(self) -> list[str]: ...
    def register_event_handler(self, name: str, handler: _Handler) -> None: ...
    def register_callee(self, object_instance: object, object_id: str) -> None: ...
    def create_caller(self, object_type: type[Any] | None, object_id: str) -> _Caller: ...
    def use_remote(self, proxied_singleton: type[ProxiedSingleton]) -> None: ...

class _Caller:
    def __getattr__(self, name: str) -> _Method: ...
    @property
    def sync(self) -> _SyncApi: ...

def gather(*awaitables: Awaitable[Any], return_exceptions: bool = False) -> Future[list[Any]]: ...

class ExtensionBase:
    def before_module_loaded(self) -> Awaitable[None] | None: ...
    def on_module_loaded(self, module: ModuleType) -> Awaitable[None] | None: ...
    def stop(self) -> Awaitable[None] | None: ...
    def emit_event(self, name: str, value: Any = None) -> None: ...
    def register_callee(self, object_instance: object, object_id: str) -> None: ...
    def create_caller(self, object_type: type[Any] | None, object_id: str) -> Any: ...
    def use_remote(self, proxied_singleton: type[ProxiedSingleton]) -> None: ...

# --- singletons ---

class _Meta(type):
    def __call__(cls: type[_T], *args: Any, **kwargs: Any) -> _T: ...

class ProxiedSingleton(metaclass=_Meta): ...

def local_execution(function: _Function) -> _Function: ...
def singleton_scope(fresh: bool = False) -> AbstractContextManager[None]: ...
def current_caller() -> Extension | None: ...

# --- values ---

@final
class FileDescriptor:
    def __new__(cls, fd: Any) -> Self: ...
    def fileno(self) -> int: ...
    def detach(self) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Tensor:
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def readonly(self) -> bool: ...
    def numpy(self) -> Any: ...
    def torch(self) -> Any: ...
    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

# Arrays are NumPy's or torch's, which need not be installed where types are checked.
def empty(shape: int | Sequence[int], dtype: Any = "float32") -> Any: ...
def zeros(shape: int | Sequence[int], dtype: Any = "float32") -> Any: ...
def share(array: _T, readonly: bool = False) -> _T: ...
def from_numpy(array: _T, /) -> _T: ...
def is_shared(array: Any, /) -> bool: ...
def register_type(cls: type[Any], name: str) -> None: ...
def register_encoder(
    cls: type[_T], name: str, encode: Callable[[_T], Any], decode: Callable[[Any], _T]
) -> None: ...

# --- errors ---

class RemoteError(Exception):
    domain: str
    code: int
    message: str
    remote_traceback: str | None
    exceptions: tuple[BaseException, ...]
    def __init__(self, domain: str, code: int, message: str) -> None: ...

class Error(RemoteError): ...
class BadConfigError(Error, ValueError): ...
class EnvironmentMakingError(Error): ...
class StartError(Error): ...
class LoadError(Error, ImportError): ...
class NoSuchMethodError(Error, AttributeError): ...
class BadValueError(Error, ValueError): ...
class CallTimeoutError(Error, TimeoutError): ...
class ProcessEndedError(Error, ConnectionError): ...
class NotRunningError(Error, RuntimeError): ...
class LimitError(Error): ...
class SandboxUnavailableError(Error, ValueError): ...
