# SPDX-License-Identifier: MIT
"""For the pyisolate of PyPI: what the host offers, and the extension, known to both sides."""

import asyncio

from pyisolate import ExtensionBase, ProxiedSingleton

from . import service


class BenchHost(ProxiedSingleton):
    async def answer(self, value):
        return value


class Measured(ExtensionBase):
    async def echo(self, value):
        return value

    async def first_last(self, array):
        return service.first_last(array)

    async def length(self, array):
        return service.length(array)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)
        return seconds

    async def bounce(self, seconds, most):
        from .base import timed_async

        host = BenchHost()
        return await timed_async(lambda: host.answer(1), seconds, most)
