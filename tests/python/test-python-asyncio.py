# SPDX-License-Identifier: MIT
"""What asyncio has for waiting works on calls, in every combination."""

import asyncio
import contextvars
import threading
import unittest

import pyisolate
from host_helper import HostTest

EXTENSION = """
import asyncio
from test_python_asyncio import Watch


async def sleep(seconds):
    try:
        await Watch().note("started")
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await Watch().note("cancelled")
        raise
    return seconds


async def through_host(seconds):
    return await Watch().sleep(seconds)


async def fail():
    raise ValueError("failed")


async def who(wait):
    return await Watch().who(wait)


def who_sync():
    return Watch().sync.who(False)


async def echo(value):
    return value
"""

request: contextvars.ContextVar = contextvars.ContextVar("request", default="none")


class Watch(pyisolate.ProxiedSingleton):
    """Notes what happens, and lets a test wait for it."""

    def __init__(self):
        self.notes = []
        self.changed = None

    def note(self, text):
        self.notes.append(text)
        if self.changed is not None:
            self.changed.set()

    async def sleep(self, seconds):
        try:
            self.note("host started")
            return await pyisolate.current_caller().sleep(seconds)
        except asyncio.CancelledError:
            self.note("host cancelled")
            raise

    async def who(self, wait):
        before = pyisolate.current_caller().name
        if wait:
            await asyncio.sleep(0.01)
        return [before, pyisolate.current_caller().name, request.get()]


class Asyncio(HostTest):
    isolated = True

    def setUp(self):
        super().setUp()
        scope = pyisolate.singleton_scope(fresh=True)
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def with_extension(self, function):
        async def main():
            self.watch = Watch()
            self.watch.changed = asyncio.Event()
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION, apis=[Watch], isolated=self.isolated)
                await ext
                await function(ext)

        self.run_async(main())

    async def noted(self, *texts):
        """Wait until these were noted, in any order, and forget them."""
        while sorted(self.watch.notes) != sorted(texts):
            self.watch.changed.clear()
            await self.watch.changed.wait()
        self.watch.notes.clear()

    def test_wait_for(self):
        async def main(ext):
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(ext.sleep(100), 0.2)
            await self.noted("started", "cancelled")
            self.assertEqual(0, await asyncio.wait_for(ext.sleep(0), 20))

        self.with_extension(main)

    def test_chain_is_cancelled(self):
        """What a cancelled call has called in turn is cancelled too, and so on."""

        async def main(ext):
            task = asyncio.ensure_future(ext.through_host(100))
            await self.noted("host started", "started")
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await self.noted("host cancelled", "cancelled")
            self.assertEqual(1, await ext.echo(1))

        self.with_extension(main)

    def test_gather(self):
        async def main(ext):
            answers = await asyncio.gather(ext.echo(1), ext.fail(), return_exceptions=True)
            self.assertEqual(1, answers[0])
            self.assertIsInstance(answers[1], ValueError)
            with self.assertRaises(ValueError):
                await asyncio.gather(ext.echo(0), ext.fail())
            both = asyncio.gather(ext.sleep(100), ext.sleep(100))
            await self.noted("started", "started")
            both.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await both
            await self.noted("cancelled", "cancelled")

        self.with_extension(main)

    def test_wait_and_as_completed(self):
        async def main(ext):
            slow = asyncio.ensure_future(ext.sleep(100))
            fast = asyncio.ensure_future(ext.echo("fast"))
            done, pending = await asyncio.wait({slow, fast}, return_when=asyncio.FIRST_COMPLETED)
            self.assertEqual(({fast}, {slow}), (done, pending))
            slow.cancel()
            seen = [await answer for answer in asyncio.as_completed([ext.echo(n) for n in (1, 2)])]
            self.assertEqual([1, 2], sorted(seen))

        self.with_extension(main)

    def test_shield(self):
        async def main(ext):
            inner = asyncio.ensure_future(ext.sleep(0.3))
            outer = asyncio.ensure_future(asyncio.shield(inner))
            await self.noted("started")
            outer.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await outer
            self.assertEqual(0.3, await inner)
            self.assertEqual([], self.watch.notes)

        self.with_extension(main)

    @unittest.skipUnless(hasattr(asyncio, "timeout"), "from Python 3.11 on")
    def test_timeout(self):
        async def main(ext):
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await ext.sleep(100)
            await self.noted("started", "cancelled")
            async with asyncio.timeout(20):
                self.assertEqual(1, await ext.echo(1))

        self.with_extension(main)

    @unittest.skipUnless(hasattr(asyncio, "TaskGroup"), "from Python 3.11 on")
    def test_task_group(self):
        async def main(ext):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ext.echo(n)) for n in range(20)]
            self.assertEqual(list(range(20)), [task.result() for task in tasks])

            async def fail_later():
                await self.noted("started")
                await ext.fail()

            with self.assertRaises(BaseExceptionGroup) as caught:  # noqa: F821
                async with asyncio.TaskGroup() as group:
                    group.create_task(ext.sleep(100))
                    group.create_task(fail_later())
            self.assertEqual(
                ["ValueError"], [type(e).__name__ for e in caught.exception.exceptions]
            )
            await self.noted("cancelled")

        self.with_extension(main)

    def test_caller_and_context(self):
        async def ask(ext, name):
            request.set(name)
            self.assertEqual(["sample", "sample", name], await ext.who(True))
            self.assertEqual(["sample", "sample", name], await ext.who_sync())

        async def main(ext):
            await asyncio.gather(*(ask(ext, f"request {n}") for n in range(20)))
            self.assertEqual("none", request.get())
            self.assertIsNone(pyisolate.current_caller())

        self.with_extension(main)

    def test_loops_one_after_the_other_and_at_once(self):
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION, apis=[Watch], isolated=self.isolated)

        async def ask(name):
            request.set(name)
            return await asyncio.gather(*(ext.who(True) for _ in range(10)))

        def check(name):
            self.assertEqual([["sample", "sample", name]] * 10, asyncio.run(ask(name)))

        check("first")
        check("second")
        failures = []

        def run(name):
            try:
                check(name)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(f"thread {n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)


class AsyncioInThisProcess(Asyncio):
    isolated = False


if __name__ == "__main__":
    unittest.main()
