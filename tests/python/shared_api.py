# SPDX-License-Identifier: MIT
"""What the application of these tests offers to its extensions."""

import asyncio
import contextvars
import threading

import pyisolate

request = contextvars.ContextVar("request", default="none")


class OwnError(Exception):
    pass


class Inner(pyisolate.ProxiedSingleton):
    def ping(self):
        return "inner"


class HostAPI(pyisolate.ProxiedSingleton):
    """What the host has."""

    nested = Inner()

    def __init__(self):
        self.data = {}
        self.loop = self.event = None
        self.cancelled = []

    @property
    def started(self):
        """Of the loop that asks: before Python 3.10 an event belongs to the one it is made in."""
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            self.loop, self.event = loop, asyncio.Event()
        return self.event

    def get(self, key):
        """Look it up."""
        return self.data.get(key)

    def set(self, key, value):
        self.data[key] = value

    async def where(self):
        return [request.get(), threading.get_ident(), id(asyncio.get_running_loop())]

    def where_def(self):
        return [request.get(), threading.get_ident()]

    async def caller(self):
        return pyisolate.current_caller().name

    def fail(self, what):
        if what == "own":
            raise OwnError("own", 1)
        if what == "group":
            error = RuntimeError("with a code")
            error.code = 7
            raise ExceptionGroup("of the host's", [ValueError("a", 1), error])  # noqa: F821 - from 3.11
        raise KeyError(what)

    def first(self, items):
        return next(iter(items))

    async def bad(self):
        return object()

    async def back(self, name, depth):
        extension = pyisolate.current_caller()._manager.extensions[name]
        return await extension.down(name, depth)

    async def sink(self, name, depth, cause):
        extension = pyisolate.current_caller()._manager.extensions[name]
        return await extension.sink(name, depth, cause)

    def back_sync(self, name, depth):
        extension = pyisolate.current_caller()._manager.extensions[name]
        return extension.sync.down_sync(name, depth)

    async def visit(self):
        if not self.turns:
            return []
        extension = self.turns.pop(0)
        return [extension.name, *await extension.echo(await self.visit())]

    async def wait(self):
        self.started.set()
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            self.cancelled.append("wait")
            raise

    @pyisolate.local_execution
    def local(self):
        import os

        return os.getpid()

    def _private(self):
        return "secret"
