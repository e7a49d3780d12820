# SPDX-License-Identifier: MIT
"""What asyncio has for waiting works on calls, in every combination."""

import asyncio
import contextvars
import gc
import inspect
import os
import re
import sys
import threading
import time
import traceback
import unittest
import warnings
from functools import partial

import pyisolate
from host_helper import HostTest

EXTENSION = """
import asyncio

import pyisolate
from test_python_asyncio import Watch


async def sleep(seconds):
    try:
        await Watch().note("started")
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await Watch().note("cancelled")
        raise
    return seconds


go_on = asyncio.Event()


async def hold(value):
    await Watch().note("started")
    await go_on.wait()
    return value


async def let_go():
    go_on.set()


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


@pyisolate.inline
def inline():
    return "inline"


@pyisolate.inline
def inline_through_host():
    return Watch().sync.call_back()


async def step_through_host():
    return Watch().sync.call_back()


n_counted = 0


async def count():
    global n_counted
    n_counted += 1


async def counted():
    return n_counted
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

    async def call_back(self):
        return await pyisolate.current_caller().inline()

    async def who(self, wait):
        before = pyisolate.current_caller().name
        if wait:
            await asyncio.sleep(0.01)
        return [before, pyisolate.current_caller().name, request.get()]


class WithExtension(HostTest):
    isolated = True

    def setUp(self):
        super().setUp()
        scope = pyisolate.singleton_scope(fresh=True)
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def with_extension(self, function, debug=None):
        async def main():
            self.watch = Watch()
            self.watch.changed = asyncio.Event()
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION, apis=[Watch], isolated=self.isolated)
                await ext
                await function(ext)

        self.run_async(main(), debug=debug)

    async def noted(self, *texts):
        """Wait until these were noted, in any order, and forget them."""
        while sorted(self.watch.notes) != sorted(texts):
            self.watch.changed.clear()
            await self.watch.changed.wait()
        self.watch.notes.clear()


class Asyncio(WithExtension):
    def test_wait_for(self):
        async def main(ext):
            call = asyncio.ensure_future(ext.sleep(100))
            await self.noted("started")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(call, 0.2)
            await self.noted("cancelled")
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
            inner = asyncio.ensure_future(ext.hold(2))
            outer = asyncio.ensure_future(asyncio.shield(inner))
            await self.noted("started")
            outer.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await outer
            await ext.let_go()
            self.assertEqual(2, await inner)
            self.assertEqual([], self.watch.notes)

        self.with_extension(main)

    @unittest.skipUnless(hasattr(asyncio, "timeout"), "from Python 3.11 on")
    def test_timeout(self):
        async def main(ext):
            async def expire(limit):
                await self.noted("started")
                limit.reschedule(asyncio.get_running_loop().time())

            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(None) as limit:
                    begun = asyncio.ensure_future(expire(limit))
                    await ext.sleep(100)
            await begun
            await self.noted("cancelled")
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

    def test_nobody_holds_the_task(self):
        """What waits for an answer stays until it comes, though nothing else has it."""

        async def main(ext):
            done = asyncio.Event()

            async def wait():
                await ext.sleep(0.1)
                done.set()

            asyncio.ensure_future(wait())  # noqa: RUF006
            await self.noted("started")
            gc.collect()
            await done.wait()

        self.with_extension(main)

    def test_never_awaited(self):
        async def main(ext):
            call = ext.echo(1)
            self.assertTrue(asyncio.iscoroutine(call) and inspect.iscoroutine(call))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del call
                gc.collect()
            self.assertRegex(str(caught[0].message), "was never awaited")
            self.assertEqual(1, await ext.echo(1))

        self.with_extension(main)

    def test_coroutine_function(self):
        """Frameworks ask whether to await what a callable returns."""

        async def main(ext):
            asks = [asyncio.iscoroutinefunction]
            if sys.version_info >= (3, 12):
                asks += [
                    inspect.iscoroutinefunction,
                    lambda f: inspect.iscoroutinefunction(partial(f)),
                ]
            for ask in asks:
                for method in (ext.echo, ext.api.echo, ext.options(timeout=9).echo):
                    self.assertTrue(ask(method))
                for method in (ext.sync.echo, ext.options(timeout=9).sync.echo):
                    self.assertFalse(ask(method))

        self.with_extension(main)

    def test_closed_and_thrown_into(self):
        """A coroutine that is ended in another way than by its task gives its call up."""

        async def main(ext):
            for end in (lambda call: call.close(), lambda call: call.throw(KeyError("thrown"))):
                call = ext.sleep(100)
                call.send(None)
                await self.noted("started")
                try:
                    end(call)
                except KeyError as error:
                    self.assertEqual(("thrown",), error.args)
                await self.noted("cancelled")

        self.with_extension(main)

    def test_message_of_cancel(self):
        async def main(ext):
            async def wait():
                try:
                    await ext.sleep(100)
                except asyncio.CancelledError as error:
                    return error.args

            task = asyncio.ensure_future(wait())
            await self.noted("started")
            task.cancel("enough")
            self.assertEqual(("enough",), await task)
            await self.noted("cancelled")

        self.with_extension(main)

    def test_debug_mode(self):
        async def main(ext):
            self.assertEqual([1, 2], await asyncio.gather(ext.echo(1), ext.echo(2)))
            self.assertEqual(3, ext.sync.echo(3))
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(ext.sleep(100), 0.2)

        self.with_extension(main, debug=True)

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


class Together(WithExtension):
    """Calls that go in one message."""

    def test_while_one_waits_for_the_host(self):
        """The first goes at once; who asks the host is called back before it is answered."""

        async def main(ext):
            for waits in (ext.inline_through_host, ext.step_through_host):
                for _ in range(10):
                    calls = [ext.echo(1), ext.echo(2), waits(), ext.echo(3), waits(), ext.echo(4)]
                    answers = await asyncio.gather(*calls)
                    self.assertEqual([1, 2, "inline", 3, "inline", 4], answers)

        self.with_extension(main)


class Turns(WithExtension):
    """Where a task goes on that waited for an answer."""

    def test_in_the_same_turn(self):
        """Inside of the loop's select(), where it has nothing else to do."""

        async def main(ext):
            for value in range(3):
                self.assertEqual(value, await ext.echo(value))
                self.assertNotIn("_run", [frame.name for frame in traceback.extract_stack()])

        self.with_extension(main)

    def test_after_what_waits(self):
        """Not before what waited in the loop when the answer came."""

        async def main(ext):
            loop = asyncio.get_running_loop()
            spinning = True

            def spin():
                if spinning:
                    loop.call_soon(spin)

            spin()
            for value in range(3):
                self.assertEqual(value, await ext.echo(value))
                self.assertIn("_run", [frame.name for frame in traceback.extract_stack()])
            spinning = False

        self.with_extension(main)

    def test_come_together(self):
        """As if each had been called soon: before what the first of them leaves for the loop."""

        async def main(ext):
            loop = asyncio.get_running_loop()
            order = []

            async def one(number):
                await ext.count()
                order.append(number)
                loop.call_soon(order.append, -number)

            def wait_elsewhere():
                while ext.sync.counted() < 4:
                    pass
                ext.sync.counted()  # now what was answered before is sent

            def block():
                thread = threading.Thread(target=wait_elsewhere)
                thread.start()
                thread.join()

            tasks = [asyncio.ensure_future(one(number)) for number in range(1, 5)]
            loop.call_soon(block)
            await asyncio.gather(*tasks)
            await asyncio.sleep(0)
            self.assertEqual([1, 2, 3, 4, -1, -2, -3, -4], order)

        self.with_extension(main)

    def test_timers_are_on_time(self):
        """However fast the answers come, the loop gets its turns."""

        async def main(ext):
            done = False

            async def call():
                while not done:
                    await ext.echo(1)

            tasks = [asyncio.ensure_future(call()) for _ in range(3)]
            for _ in range(5):
                await asyncio.wait_for(asyncio.sleep(0.02), 60)
            done = True
            await asyncio.gather(*tasks)

        self.with_extension(main)

    @unittest.skipIf(
        tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (5, 11),
        "the kernel counts in milliseconds",
    )
    def test_short_sleeps(self):
        """None of many is too short, and one takes less than poll() can wait."""

        async def main(ext):
            await ext.echo(1)
            asked, taken = 0.0001, []
            while len(taken) < 1000 and min(taken, default=1) >= 0.001:
                begin = time.monotonic()
                await asyncio.sleep(asked)
                taken.append(time.monotonic() - begin)
            self.assertGreaterEqual(min(taken), asked)
            self.assertLess(min(taken), 0.001)

        self.with_extension(main)


class AsyncioInThisProcess(Asyncio):
    isolated = False


if __name__ == "__main__":
    unittest.main()
