# SPDX-License-Identifier: MIT
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from pyisolate import Extension, ExtensionManager, ProxiedSingleton

__all__ = ["Events", "fake_singleton", "loading", "managing"]

def fake_singleton(name: str, **members: Any) -> type[ProxiedSingleton]: ...

class Events:
    all: list[tuple[str, Any]]
    def __init__(self, extension: Extension, *names: str) -> None: ...
    def next(self, timeout: float = 30.0) -> tuple[str, Any]: ...

def managing(**config: Any) -> AbstractContextManager[ExtensionManager]: ...
def loading(manager: ExtensionManager) -> Callable[..., Extension]: ...
