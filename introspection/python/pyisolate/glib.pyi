# SPDX-License-Identifier: MIT
import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

__all__ = ["EventLoop", "EventLoopPolicy", "run", "start"]

class EventLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None: ...
    def attach(self) -> None: ...

class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop: ...

def start(awaitable: Awaitable[_T]) -> asyncio.Task[_T]: ...
def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T: ...
