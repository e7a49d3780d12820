# SPDX-License-Identifier: MIT
"""What extensions call of the host's as coroutines: tasks of its loop like any other."""

import asyncio
import contextvars
import gc
import os
import signal
import socket
import threading
import unittest
import warnings

import pyisolate
from host_helper import HostTest, wait_until

EXTENSION = """
import asyncio
import threading

import pyisolate


async def call(method, *args):
    return await getattr(pyisolate.singleton("API"), method)(*args)


async def call_both(one, other):
    api = pyisolate.singleton("API")
    return list(await asyncio.gather(getattr(api, one)(), getattr(api, other)()))


async def call_three(*methods):
    api = pyisolate.singleton("API")
    await asyncio.gather(*(getattr(api, method)() for method in methods))


async def call_for(seconds, method):
    try:
        await asyncio.wait_for(call(method), seconds)
    except asyncio.TimeoutError:
        return "gave up"


async def fail(method, *args):
    try:
        await call(method, *args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def tell(value):
    pyisolate.emit_event("told", value)


async def tell_later(value):
    def run():
        pyisolate.emit_event("told", value)
        pyisolate.singleton("API").sync.note(value)

    threading.Thread(target=run).start()
"""

variable = contextvars.ContextVar("variable", default="none")


class API(pyisolate.ProxiedSingleton):
    async def whoami(self):
        task = asyncio.current_task()
        return [
            task in asyncio.all_tasks(),
            task.get_coro().__qualname__,
            task.get_loop().time() > 0,
        ]

    async def change(self):
        before = variable.get()
        variable.set("changed")
        await asyncio.sleep(0)
        return [before, variable.get()]

    async def time_out(self):
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0.01)
        except asyncio.TimeoutError:
            return "timed out"

    async def gather(self):
        return sorted(await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3))))

    async def iterate(self):
        async def numbers():
            for n in range(3):
                yield n
                await asyncio.sleep(0)

        return [n async for n in numbers()]

    def later(self):
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "later")
        return future

    def none(self):
        assert asyncio.current_task() is None

    async def give_up(self, late):
        if late:
            await asyncio.sleep(0)
        raise asyncio.CancelledError

    async def leave(self, late):
        if late:
            await asyncio.sleep(0)
        raise SystemExit(3)

    async def fail(self, late):
        if late:
            await asyncio.sleep(0)
        raise ZeroDivisionError("none")

    async def leave_behind(self, what):
        """What asyncio.run() ends; the next coroutine must not find it."""
        loop = asyncio.get_running_loop()
        if what == "task":
            self.left = loop.create_task(asyncio.sleep(60))
        elif what == "timer":
            self.left = loop.call_later(1, left.append, "called")
        elif what == "generator":

            async def numbers():
                try:
                    yield 1
                finally:
                    left.append("closed")

            self.left = numbers()
            await self.left.__anext__()
        elif what == "executor":
            await loop.run_in_executor(None, int)
        elif what == "reader":
            self.left = socket.socketpair()
            loop.add_reader(self.left[0], left.append, "read")
        return id(loop)

    async def look(self, seconds):
        await asyncio.sleep(seconds)
        return len(asyncio.all_tasks())

    async def wait_for_ever(self):
        try:
            await asyncio.Event().wait()
        finally:
            left.append("ended")

    async def wait_for_other(self):
        while "told" not in left:
            await asyncio.sleep(0.001)
        return asyncio.get_running_loop().is_running()

    async def call_back(self, value):
        await pyisolate.current_caller().tell(value)

    def note(self, value):
        left.append(f"noted {value}")

    def tell(self):
        left.append("told")
        return asyncio.run(asyncio.sleep(0, "ran"))  # no loop is in the way


left = []


def set_of_tasks():
    """As asyncio has it; from Python 3.12 on under another name."""
    return next(
        getattr(asyncio.tasks, name)
        for name in ("_all_tasks", "_scheduled_tasks")
        if hasattr(asyncio.tasks, name)
    )


class Tasks(HostTest):
    def setUp(self):
        super().setUp()
        scope = pyisolate.singleton_scope(fresh=True)
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def with_extension(self, function):
        async def main():
            async with self.make_manager() as manager:
                return await function(self.load(manager, EXTENSION, apis=[API]))

        return main()

    async def try_all(self, ext):
        self.assertEqual([True, "API.whoami", True], await ext.call("whoami"))
        variable.set("mine")
        self.assertEqual(["mine", "changed"], await ext.call("change"))
        self.assertEqual("mine", variable.get())
        self.assertEqual("timed out", await ext.call("time_out"))
        self.assertEqual([0, 1, 2], await ext.call("gather"))
        self.assertEqual([0, 1, 2], await ext.call("iterate"))
        self.assertEqual("later", await ext.call("later"))
        self.assertIsNone(await ext.call("none"))
        both = [["mine", "changed"], [True, "API.whoami", True]]
        self.assertEqual(both, await ext.call_both("change", "whoami"))
        for late in (False, True):
            told = await ext.fail("give_up", late)
            self.assertEqual("RuntimeError: give_up() was cancelled in the host", told)
            self.assertEqual("ZeroDivisionError: none", await ext.fail("fail", late))

    def test_none_is_left(self):
        """Those that are gone are in no set of asyncio's any more."""
        known = set_of_tasks()

        async def count(ext):
            await ext.call("whoami")
            gc.collect()
            before = len(known)
            for _ in range(20):
                await ext.call("change")
            gc.collect()
            return len(known) - before

        self.assertEqual(0, self.run_async(self.with_extension(count)))

    def test_tasks_of_the_host(self):
        """They are in the set as well, once each, from when they are made until they are gone."""

        async def look(ext):
            await ext.call("whoami")
            before = asyncio.all_tasks()
            own = [asyncio.create_task(ext.call("later")) for _ in range(3)]
            during = asyncio.all_tasks()
            results = await asyncio.gather(*own)
            after = asyncio.all_tasks()
            own.clear()
            return len(during - before), results, after == before

        told = self.run_async(self.with_extension(look))
        self.assertEqual((3, ["later"] * 3, True), told)

    def test_set_that_is_looked_at(self):
        """Nothing is put into it or taken out of it where that would end an iteration."""
        known = set_of_tasks()

        async def iterate(ext):
            await ext.call("whoami")
            gone = [asyncio.create_task(asyncio.sleep(0)) for _ in range(3)]
            await asyncio.gather(*gone)
            kept = asyncio.create_task(ext.call("later"))
            seen = 0
            for _ in known:
                gone.clear()
                gc.collect()
                seen += 1
            await kept
            return seen

        self.assertGreaterEqual(self.run_async(self.with_extension(iterate)), 1)

    def test_usual_loop(self):
        self.run_async(self.with_extension(self.try_all))

    def test_debug_loop(self):
        asyncio.run(
            asyncio.wait_for(self.with_extension(self.try_all), self.deadline / 2), debug=True
        )

    def test_task_factory(self):
        made = []

        def factory(loop, coroutine, **kwargs):
            made.append(coroutine.__qualname__)
            return asyncio.Task(coroutine, loop=loop, **kwargs)

        async def with_factory(ext):
            await ext
            asyncio.get_running_loop().set_task_factory(factory)
            await self.try_all(ext)

        self.run_async(self.with_extension(with_factory))
        self.assertIn("API.whoami", made)

    def test_leaving(self):
        """A SystemExit is the host's, too: at once, and from a later step."""
        for late in (False, True):

            async def main(ext, late=late):
                self.assertEqual("RuntimeError", (await ext.fail("leave", late))[:12])

            with self.assertRaises(SystemExit) as caught:
                asyncio.run(asyncio.wait_for(self.with_extension_kept(main), self.deadline / 2))
            self.assertEqual(3, caught.exception.code)

    @unittest.skipUnless(hasattr(asyncio, "Runner"), "they are kept from Python 3.11 on")
    def test_without_a_loop(self):
        ext = self.load(self.make_manager(), EXTENSION, apis=[API])
        asyncio.set_event_loop(None)
        first = ext.sync.call("leave_behind", "nothing")
        self.assertEqual(first, ext.sync.call("leave_behind", "nothing"))
        for what in ("task", "timer", "generator", "executor", "reader"):
            ext.sync.call("leave_behind", what)
            self.assertEqual(1, ext.sync.call("look", 1.2 if what == "timer" else 0), what)
        API().left[1].send(b"x")
        ext.sync.call("look", 0.01)
        self.assertEqual(["closed"], left)
        with self.assertRaises(RuntimeError), warnings.catch_warnings():
            warnings.simplefilter("error")
            asyncio.get_event_loop_policy().get_event_loop()
        self.assertEqual("ZeroDivisionError: none", ext.sync.fail("fail", True))
        variable.set("mine")
        self.assertEqual(["mine", "changed"], ext.sync.call("change"))
        self.assertEqual("mine", variable.get())

    def test_thread_without_a_loop(self):
        """Its loop ends with it."""
        ext = self.load(self.make_manager(), EXTENSION, apis=[API])
        ext.sync.call("gather")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            thread = threading.Thread(target=ext.sync.call, args=("gather",))
            thread.start()
            thread.join()
        gc.collect()
        wait_until(lambda: len(os.listdir("/proc/self/fd")) < before + 3)

    def each_without_a_loop(self):
        for config in ({"name": "own"}, {"name": "here", "isolated": False}):
            with self.subTest(config["name"]):
                yield self.load(self.make_manager(), EXTENSION, apis=[API], **config)
                left.clear()

    def test_given_up_without_a_loop(self):
        """The thread that runs the coroutine is the one that waits for the call."""
        for ext in self.each_without_a_loop():
            with self.assertRaises(pyisolate.CallTimeoutError):
                ext.options(timeout=0.2).sync.call("wait_for_ever")
            self.assertEqual(["ended"], left)
            self.assertEqual("gave up", ext.sync.call_for(0.2, "wait_for_ever"))
            self.assertEqual(["ended"] * 2, left)
            self.assertEqual([0, 1, 2], ext.sync.call("gather"))

    def test_others_without_a_loop(self):
        """Those that are no coroutines are not kept waiting, the others run one after the other."""
        for ext in self.each_without_a_loop():
            self.assertEqual([True, "ran"], ext.sync.call_both("wait_for_other", "tell"))
            both = ext.sync.call_both("change", "change")
            self.assertEqual([["none", "changed"]] * 2, both)

    def test_calls_without_a_loop(self):
        """Its loop, which does not run afterwards, has nothing to do for the manager."""
        for ext in self.each_without_a_loop():
            ext.register_event_handler("told", left.append)
            ext.sync.call("call_back", "first")
            ext.sync.tell("second")
            self.assertEqual(["first", "second"], left)
            ext.sync.tell_later("third")
            wait_until(lambda: len(left) == 4)
            self.assertEqual(["third", "noted third"], left[2:])

    def test_interrupted_without_a_loop(self):
        """Ctrl-C ends what runs, and what waits for it; the thread goes on."""
        for ext in self.each_without_a_loop():

            def interrupt():
                wait_until(lambda: "told" in left)
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

            thread = threading.Thread(target=interrupt)
            thread.start()
            with self.assertRaises(KeyboardInterrupt):
                ext.sync.call_three("wait_for_ever", "wait_for_ever", "tell")
            thread.join()
            self.assertEqual([0, 1, 2], ext.sync.call("gather"))

    def with_extension_kept(self, function):
        """Without the manager's end, for which nobody waits who is told to leave."""
        self.number = getattr(self, "number", 0) + 1
        manager = self.make_manager()
        return function(self.load(manager, EXTENSION, f"sample{self.number}", apis=[API]))


if __name__ == "__main__":
    unittest.main()
