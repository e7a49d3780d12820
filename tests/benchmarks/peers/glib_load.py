# SPDX-License-Identifier: MIT
"""Something small beside 1,000 bulk calls of the same extension, from one asyncio loop."""

import asyncio
import contextlib
import time

from workloads import values

from .base import CannotError

# As a host in C does it.
WARM_ROUNDS = 2


class Load:
    def __init__(self, extension, workload):
        self.extension = extension
        self.count = workload.count
        self.bulk = values.blob(workload.n_bytes)
        if workload.name == "loaded-ping" and "ping" not in dir(extension):
            raise CannotError("there is no ping() for hosts in Python")
        self.waits = workload.name.endswith("-waiting")
        name = workload.name.removeprefix("loaded-").removesuffix("-waiting")
        self.small = getattr(self, name)

    async def measure(self, seconds, most):
        self.answered = 0
        bulk = self.hold if self.waits else self.keep_calling
        running = [asyncio.ensure_future(bulk()) for _ in range(self.count)]
        try:
            await self.until_under_way()
            samples = []
            end = time.perf_counter() + seconds
            while not samples or (time.perf_counter() < end and len(samples) < most):
                samples.append(await self.small())
                await asyncio.sleep(0)
        finally:
            await self.end(running)
        return samples

    async def until_under_way(self):
        """Each has been answered about so often, or all have arrived, before the first sample."""
        if not self.waits:
            while self.answered < self.count * WARM_ROUNDS:
                await self.extension.echo(1)
            return
        await self.extension.when_held(self.count)

    async def end(self, running):
        if self.waits:
            await self.extension.release()
        else:
            for task in running:
                task.cancel()
        for result in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def keep_calling(self):
        while True:
            await self.extension.echo(self.bulk)
            self.answered += 1

    async def hold(self):
        await self.extension.hold(self.bulk)

    async def int(self):
        begin = time.perf_counter_ns()
        await self.extension.echo(1)
        return time.perf_counter_ns() - begin

    async def ping(self):
        begin = time.perf_counter_ns()
        await self.extension.ping()
        return time.perf_counter_ns() - begin

    async def cancel(self):
        task = asyncio.ensure_future(self.extension.wait_for_cancel())
        await self.extension.when_waiting()
        begin = time.monotonic_ns()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return await self.extension.when_cancelled() - begin
