# SPDX-License-Identifier: MIT
"""What passing an array costs beside an integer, and beside copying it: ratios of one run."""

import asyncio
import contextlib
import os
import statistics
import time
import unittest

# What else runs shall not count, where this is allowed: before any thread or process is started.
with contextlib.suppress(OSError):
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

import numpy as np
import pyisolate
from host_helper import HostTest

ATTEMPTS = 5
MIB = 1 << 20
SIZES = [4096, MIB, 64 * MIB]
if os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 10 << 30:
    SIZES.append(6 << 30)

EXTENSION = """
async def take(value):
    return 1


async def echo(value):
    return value
"""


async def medians(*calls, n=300):
    """Of each, in microseconds; in turn, so that what else runs is the same for all."""
    times = [[] for _ in calls]
    for _ in range(n):
        for call, found in zip(calls, times):
            start = time.perf_counter()
            await call()
            found.append(time.perf_counter() - start)
    return [statistics.median(found) * 1e6 for found in times]


class Speed(HostTest):
    def setUp(self):
        super().setUp()
        import faulthandler

        faulthandler.dump_traceback_later(800, exit=True)
        self.ext = self.load(self.make_manager(), EXTENSION, dependencies=["numpy==1.26.4"])
        self.ext.sync.echo(np.zeros(1))

    def attempt(self, measure):
        """A machine that is busy makes one attempt bad, not all."""
        for _ in range(ATTEMPTS):
            bad = []
            for what, ratio, limit in asyncio.run(measure()):
                print(f"# {what}: {ratio:.2f}, at most {limit:.2f}", flush=True)
                if ratio > limit:
                    bad.append((what, ratio, limit))
            if not bad:
                return
        self.fail(f"over the limits in {ATTEMPTS} attempts: {bad}")

    def test_shared(self):
        ext = self.ext

        async def measure():
            found = []
            for size in SIZES:
                array = pyisolate.empty(size, "uint8")
                take, echo, number = await medians(
                    lambda array=array: ext.take(array),
                    lambda array=array: ext.echo(array),
                    lambda: ext.take(1),
                )
                found.append((f"{size} bytes, as an int", take / number, 1.5))
                found.append((f"{size} bytes and back, as an int", echo / number, 1.7))
            return found

        self.attempt(measure)

    def test_private(self):
        ext = self.ext
        array = np.random.default_rng(1).integers(0, 255, 64 * MIB, dtype=np.uint8)
        target = pyisolate.zeros(64 * MIB, "uint8")

        async def copy():
            target[:] = array

        async def measure():
            await medians(lambda: ext.take(array), n=5)
            copied, passed = await medians(copy, lambda: ext.take(array), n=15)
            return [("64 MiB of a warm pool, as a copy", passed / copied, 1.3)]

        self.attempt(measure)

    def test_cold(self):
        """Where the kernel alone needs longer to make new memory, it is less than that.

        Two threads fill it, if there are two processors.
        """
        several = len(os.sched_getaffinity(0)) > 1
        array = np.random.default_rng(1).integers(0, 255, 64 * MIB, dtype=np.uint8)
        target = pyisolate.zeros(64 * MIB, "uint8")
        manager = self.make_manager()
        module_path = self.write(EXTENSION, "cold")
        numbers = iter(range(1000))

        async def copy():
            target[:] = array

        async def write():
            fd = os.memfd_create("test")
            os.ftruncate(fd, array.nbytes)
            start = time.perf_counter()
            os.pwrite(fd, array, 0)
            taken = time.perf_counter() - start
            os.close(fd)
            return taken

        async def once():
            ext = manager.load_extension(
                pyisolate.ExtensionConfig(name=f"cold{next(numbers)}", module_path=module_path)
            )
            await ext.take(1)
            start = time.perf_counter()
            await ext.take(array)
            taken = time.perf_counter() - start
            await ext.stop()
            return taken

        async def measure():
            pairs = [(await write(), await once()) for _ in range(7)]
            (copied,) = await medians(copy, n=7)
            written, passed = (statistics.median(times) * 1e6 for times in zip(*pairs))
            limit = max(2.5, written / copied * (0.75 if several else 1.15))
            return [("64 MiB of a cold pool, as a copy to warm memory", passed / copied, limit)]

        self.attempt(measure)


if __name__ == "__main__":
    unittest.main()
