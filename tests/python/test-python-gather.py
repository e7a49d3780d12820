# SPDX-License-Identifier: MIT
"""pyisolate.gather() is asyncio.gather(), but for the tasks of calls."""

import asyncio
import contextvars
import gc
import os
import threading
import unittest
import warnings
import weakref

import pyisolate
from host_helper import HostTest
from pyisolate import glib

EXTENSION = """
import asyncio
import os

import pyisolate
from test_python_gather import Watch

go_on = asyncio.Event()


async def echo(value):
    return value


def plain(value):
    return value


async def hold(value):
    try:
        await Watch().note("started")
        await go_on.wait()
    except asyncio.CancelledError:
        await Watch().note("cancelled")
        raise
    return value


async def let_go():
    go_on.set()
    await asyncio.sleep(0)
    go_on.clear()


async def fail(text):
    raise ValueError(text)


async def stop_iterating():
    raise StopIteration("the end")


async def leave():
    raise SystemExit("left")


async def who():
    return await Watch().who()


async def tell():
    pyisolate.progress(0.5, "half")
    return "told"


async def end():
    os._exit(3)
"""

request: contextvars.ContextVar = contextvars.ContextVar("request", default="none")


class Watch(pyisolate.ProxiedSingleton):
    def __init__(self):
        self.notes = []
        self.changed = None

    def note(self, text):
        self.notes.append(text)
        if self.changed is not None:
            self.changed.set()

    def who(self):
        return [pyisolate.current_caller().name, request.get()]


class Gather(HostTest):
    isolated = True
    new_loop = None

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

    def run_async(self, coroutine, debug=None):
        if self.new_loop is None:
            return super().run_async(coroutine, debug)
        return glib.run(coroutine)

    async def noted(self, *texts):
        while sorted(self.watch.notes) != sorted(texts):
            self.watch.changed.clear()
            await self.watch.changed.wait()
        self.watch.notes.clear()

    def test_order_of_results(self):
        async def main(ext):
            held = pyisolate.gather(ext.hold(1), ext.echo(2), ext.plain(3), ext.echo(None))
            await self.noted("started")
            self.assertFalse(held.done())
            await ext.let_go()
            self.assertEqual([1, 2, 3, None], await held)
            self.assertEqual([1, 2, 3, None], held.result())
            for n in (0, 1, 1000):
                numbers = await pyisolate.gather(*(ext.echo(i) for i in range(n)))
                self.assertEqual(list(range(n)), numbers)

        self.with_extension(main)

    def test_all_that_can_be_awaited(self):
        """Calls with options, coroutines, tasks, futures and awaitables, in any order."""

        class Awaitable:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                return "awaitable"

        async def coroutine():
            return await ext_.echo("coroutine")

        async def main(ext):
            nonlocal ext_
            ext_ = ext
            told = []
            future = asyncio.get_running_loop().create_future()
            future.set_result("future")
            task = asyncio.ensure_future(ext.echo("task"))
            options = ext.options(on_progress=lambda *what: told.append(what), timeout=200)
            results = await pyisolate.gather(
                task, ext.echo("call"), future, options.tell(), coroutine(), Awaitable(), ext
            )
            self.assertEqual(
                ["task", "call", "future", "told", "coroutine", "awaitable"], results[:6]
            )
            self.assertIs(ext, results[6])
            self.assertEqual([(0.5, "half")], told)

        ext_ = None
        self.with_extension(main)

    def test_given_twice(self):
        async def main(ext):
            call, task = ext.echo([]), asyncio.ensure_future(ext.echo([]))
            first, second, third, fourth = await pyisolate.gather(call, task, call, task)
            self.assertIs(first, third)
            self.assertIs(second, fourth)

        self.with_extension(main)

    def test_first_exception(self):
        """It is raised while the others go on, and their exceptions are nobody's."""

        async def main(ext):
            gathering = pyisolate.gather(ext.hold(1), ext.fail("one"), ext.fail("two"))
            await self.noted("started")
            with self.assertRaisesRegex(ValueError, "one"):
                await gathering
            self.assertFalse(gathering.cancel())
            await ext.let_go()
            self.assertEqual([], self.watch.notes)

        self.with_extension(main)

    def test_return_exceptions(self):
        async def main(ext):
            results = await pyisolate.gather(
                ext.echo(1), ext.fail("one"), ext.stop_iterating(), return_exceptions=True
            )
            self.assertEqual([1, "one"], [results[0], str(results[1])])
            self.assertEqual([ValueError, RuntimeError], [type(error) for error in results[1:]])
            self.assertIsNotNone(results[1].__traceback__)
            expected = await asyncio.gather(ext.leave(), return_exceptions=True)
            results = await pyisolate.gather(ext.leave(), return_exceptions=True)
            self.assertEqual([repr(e) for e in expected], [repr(e) for e in results])

        self.with_extension(main)

    def test_never_retrieved(self):
        """As of any future: the loop's handler hears of it."""

        async def main(ext):
            told = []
            loop = asyncio.get_running_loop()
            handler = loop.get_exception_handler()
            loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
            gathering = pyisolate.gather(ext.fail("nobody asks"), ext.hold(1))
            await self.noted("started")
            while not gathering.done():
                await asyncio.sleep(0)
            del gathering
            await ext.let_go()
            await ext.echo(1)
            gc.collect()
            loop.set_exception_handler(handler)
            self.assertEqual(["nobody asks"], [str(error) for error in told])

        self.with_extension(main)

    def test_cancelled(self):
        async def main(ext):
            for return_exceptions in (False, True):
                forever = asyncio.get_running_loop().create_future()
                gathering = pyisolate.gather(
                    ext.hold(1),
                    ext.echo(2),
                    ext.hold(3),
                    forever,
                    return_exceptions=return_exceptions,
                )
                await self.noted("started", "started")
                self.assertTrue(gathering.cancel("enough"))
                self.assertFalse(gathering.done())
                with self.assertRaises(asyncio.CancelledError):
                    await gathering
                await self.noted("cancelled", "cancelled")
                self.assertTrue(forever.cancelled())
                self.assertFalse(gathering.cancel())
            self.assertEqual(1, await ext.echo(1))

        self.with_extension(main)

    def test_the_waiting_task_is_cancelled(self):
        async def main(ext):
            async def wait():
                await pyisolate.gather(ext.hold(1), ext.hold(2))

            task = asyncio.ensure_future(wait())
            await self.noted("started", "started")
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await self.noted("cancelled", "cancelled")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(pyisolate.gather(ext.hold(1)), 0.2)
            await self.noted("started", "cancelled")
            shielded = pyisolate.gather(ext.hold(1))
            outer = asyncio.shield(shielded)
            await self.noted("started")
            outer.cancel()
            await ext.let_go()
            self.assertEqual([1], await shielded)

        self.with_extension(main)

    def test_a_child_is_cancelled(self):
        """That is its exception, and not the end of the others."""

        async def main(ext):
            task = asyncio.ensure_future(ext.hold(1))
            gathering = pyisolate.gather(task, ext.echo(2), return_exceptions=True)
            await self.noted("started")
            task.cancel()
            results = await gathering
            self.assertIsInstance(results[0], asyncio.CancelledError)
            self.assertEqual(2, results[1])
            await self.noted("cancelled")

        self.with_extension(main)

    def test_unfit_argument(self):
        """Then nothing has been sent."""

        async def main(ext):
            call = ext.hold(1)
            with self.assertRaises(TypeError):
                pyisolate.gather(call, 1)
            call.close()
            await ext.echo(1)
            self.assertEqual([], self.watch.notes)

        self.with_extension(main)

    def test_no_loop(self):
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION, apis=[Watch], isolated=self.isolated)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with self.assertRaisesRegex(RuntimeError, "where an event loop runs"):
                pyisolate.gather(ext.echo(1))
        manager.stop_all_extensions()

    def test_not_loaded_yet(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, "def echo(value): return value", isolated=self.isolated)
                self.assertEqual([1, 2], await pyisolate.gather(ext.echo(1), ext.echo(2)))

        self.run_async(main())

    def test_context(self):
        """What a call leads to sees the variables of who gathers."""

        async def main(ext):
            request.set("gathered")
            gathering = pyisolate.gather(ext.who(), ext.who())
            request.set("later")
            self.assertEqual([["sample", "gathered"]] * 2, await gathering)

        self.with_extension(main)

    def test_nobody_holds_it(self):
        async def main(ext):
            done = asyncio.Event()

            async def wait():
                await pyisolate.gather(ext.hold(1))
                done.set()

            asyncio.ensure_future(wait())  # noqa: RUF006
            await self.noted("started")
            gc.collect()
            await ext.let_go()
            await done.wait()

        self.with_extension(main)

    def test_frees_what_it_had(self):
        class Value:
            pass

        async def main(ext):
            gc.collect()
            gc.disable()
            try:
                gathering = pyisolate.gather(ext.echo(1), ext.fail("x"), return_exceptions=True)
                await gathering
                calls = [ext.echo(1), ext.hold(2)]
                references = [weakref.ref(gathering), *map(weakref.ref, calls)]
                del gathering
                gathering = pyisolate.gather(*calls)
                await self.noted("started")
                gathering.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await gathering
                await self.noted("cancelled")
                del gathering, calls
                await ext.echo(1)
            finally:
                gc.enable()
            gc.collect()
            self.assertEqual([None] * 3, [reference() for reference in references])

        self.with_extension(main)

    @unittest.skipUnless(hasattr(asyncio, "TaskGroup"), "from Python 3.11 on")
    def test_task_group_and_timeout(self):
        async def main(ext):
            async def some(n):
                async with asyncio.timeout(200):
                    return await pyisolate.gather(*(ext.echo(i) for i in range(n)))

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(some(n)) for n in range(5)]
            self.assertEqual([list(range(n)) for n in range(5)], [t.result() for t in tasks])

        self.with_extension(main)

    def test_several_loops(self):
        async def main(ext):
            results = []

            async def some():
                results.append(await pyisolate.gather(*(ext.echo(i) for i in range(50))))

            threads = [threading.Thread(target=lambda: asyncio.run(some())) for _ in range(3)]
            for thread in threads:
                thread.start()
            await some()
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: [thread.join() for thread in threads]
            )
            self.assertEqual([list(range(50))] * 4, results)

        self.with_extension(main)


class OfProcesses(Gather):
    """What is so only where the extension has a process of its own."""

    def test_no_tasks(self):
        """Calls have none; they have been sent when gather() returns, before the loop's turn."""

        async def main(ext):
            before = asyncio.all_tasks()
            gathering = pyisolate.gather(ext.hold(1), ext.hold(2))
            self.assertEqual(before, asyncio.all_tasks())
            self.assertTrue(asyncio.isfuture(gathering))
            ext.sync.echo(1)  # serves what the calls lead to, and no turn of the loop
            self.assertEqual(["started", "started"], self.watch.notes)
            self.watch.notes.clear()
            await ext.let_go()
            self.assertEqual([1, 2], await gathering)

        self.with_extension(main)

    def test_closed_call(self):
        """Who closes the coroutine of a call under way gives it up, which is told."""

        async def main(ext):
            call = ext.hold(1)
            gathering = pyisolate.gather(call, ext.echo(2), return_exceptions=True)
            await self.noted("started")
            call.close()
            results = await gathering
            self.assertIsInstance(results[0], RuntimeError)
            self.assertEqual(2, results[1])
            await self.noted("cancelled")

        self.with_extension(main)

    def test_awaited_already(self):
        async def main(ext):
            call = ext.hold(1)
            task = asyncio.ensure_future(call)
            await self.noted("started")
            with self.assertRaises(RuntimeError):
                await pyisolate.gather(call)
            await ext.let_go()
            self.assertEqual(1, await task)
            with self.assertRaises(RuntimeError):
                await pyisolate.gather(call)
            call = ext.hold(2)
            gathering = pyisolate.gather(call)
            await self.noted("started")
            with self.assertRaises(RuntimeError):
                await call
            await ext.let_go()
            self.assertEqual([2], await gathering)

        self.with_extension(main)

    def test_unfit_value(self):
        """That a call cannot be sent is its exception, and the others go on."""

        async def main(ext):
            unfit = ext.echo(lambda: None)
            results = await pyisolate.gather(unfit, ext.echo(1), unfit, return_exceptions=True)
            self.assertIsInstance(results[0], TypeError)
            self.assertIs(results[0], results[2])
            self.assertEqual(1, results[1])
            gathering = pyisolate.gather(ext.echo(1), ext.echo(lambda: None))
            with self.assertRaises(TypeError):
                await gathering

        self.with_extension(main)

    def test_process_ends(self):
        async def main(ext):
            results = await pyisolate.gather(
                ext.hold(1), ext.end(), ext.hold(2), return_exceptions=True
            )
            self.assertEqual([pyisolate.ProcessEndedError] * 3, [type(e) for e in results])

        self.with_extension(main)

    def test_forked(self):
        """The child of a process that waits has nothing to wait for."""

        async def main(ext):
            gathering = pyisolate.gather(ext.hold(1))
            await self.noted("started")
            pid = os.fork()
            if pid == 0:
                gathering.cancel()
                os._exit(0)
            self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            await ext.let_go()
            self.assertEqual([1], await gathering)

        self.with_extension(main)


class OfThisProcess(Gather):
    isolated = False


class OnGLib(Gather):
    new_loop = glib.EventLoop


del Gather

if __name__ == "__main__":
    unittest.main()
