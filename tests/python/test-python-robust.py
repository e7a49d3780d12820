# SPDX-License-Identifier: MIT
"""Hosts that do what they should not, or too much: clear errors, no hang, nothing left."""

import asyncio
import functools
import gc
import os
import resource
import threading
import unittest

import pyisolate
from host_helper import HostTest, wait_until

EXTENSION = """
import asyncio
import pyisolate


def add(a, b=2):
    return a + b


async def wait():
    await asyncio.sleep(1000)


async def echo(value):
    return value


def bad():
    return {"a": [1, object()]}


def cycle():
    value = []
    value.append(value)
    return value


def pieces(n):
    return [bytes(9000) for _ in range(n)]


async def pieces_async(n):
    return pieces(n)


def give_sync(n):
    return pyisolate.singleton("Taker").sync.take(pieces(n))


async def give(n):
    return await pyisolate.singleton("Taker").take(pieces(n))


def tell(value):
    pyisolate.emit_event("told", value)
"""


class Errors(HostTest):
    isolated = True

    def with_extension(self, function, **config):
        async def main():
            async with self.make_manager() as manager:
                await function(self.load(manager, EXTENSION, isolated=self.isolated, **config))

        self.run_async(main())

    def test_after_stop(self):
        async def main(ext):
            await ext.add(1)
            caller = ext.create_caller(None, "any")
            method, sync, options = ext.add, ext.sync.add, ext.options(timeout=5)
            waiting = [asyncio.ensure_future(ext.wait()) for _ in range(20)]
            await ext.echo(1)
            await ext.stop()
            for answer in await asyncio.gather(*waiting, return_exceptions=True):
                self.assertIsInstance(answer, pyisolate.NotRunningError)
            for use in (method, options.add, caller.add):
                with self.assertRaisesRegex(pyisolate.NotRunningError, "sample"):
                    await use(1)
            with self.assertRaisesRegex(pyisolate.NotRunningError, "sample"):
                sync(1)
            with self.assertRaisesRegex(pyisolate.NotRunningError, "sample"):
                await ext
            await ext.stop()
            self.assertEqual("stopped", ext.state)
            self.assertEqual({}, ext._manager.extensions)
            with self.assertRaises(KeyError):
                ext._manager.stop_extension("sample")

        self.with_extension(main)

    def test_handlers_that_fail(self):
        async def main(ext):
            told = asyncio.Event()

            def fail(value):
                raise LookupError("in a handler")

            async def fail_later(value):
                await asyncio.sleep(0)
                told.set()
                raise LookupError("in an async handler")

            with self.assertLogs("pyisolate", "ERROR") as logs:
                ext.register_event_handler("told", fail)
                await ext.tell(1)
                while not logs.output:
                    await asyncio.sleep(0)
                # Another handler replaces it.
                ext.register_event_handler("told", fail_later)
                await ext.tell(1)
                await told.wait()
                while len(logs.output) < 2:
                    await asyncio.sleep(0)
            self.assertEqual(2, len(logs.output))
            self.assertIn("LookupError: in a handler", logs.output[0])
            self.assertIn("LookupError: in an async handler", logs.output[1])
            self.assertEqual(1, await ext.echo(1))

        self.with_extension(main)

    def test_done_callbacks_that_fail(self):
        async def main():
            problems = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: problems.append(context["exception"]))
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION, isolated=self.isolated)
                task = asyncio.ensure_future(ext.echo(1))
                task.add_done_callback(lambda task: 1 / 0)
                await task
                self.assertEqual(2, await ext.echo(2))
            self.assertEqual(["ZeroDivisionError"], [type(p).__name__ for p in problems])

        asyncio.run(main())


class ErrorsInThisProcess(Errors):
    isolated = False

    def test_loading_takes_too_long(self):
        """The wait ends; the import goes on, and nothing is loaded in the end."""
        go_on = self.folder / "go-on"
        source = f"""
            import pathlib
            import time

            while not pathlib.Path({str(go_on)!r}).exists():
                time.sleep(0.01)
        """

        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, source, isolated=False, start_timeout=0.1)
                with self.assertRaisesRegex(pyisolate.CallTimeoutError, "start-timeout of 0.1 s"):
                    await ext
                with self.assertRaisesRegex(pyisolate.NotRunningError, "still being loaded"):
                    await ext.anything()
                go_on.touch()
                while ext.state == "starting":
                    await asyncio.sleep(0.01)
                self.assertEqual("failed", ext.state)
                self.assertIs(ext, await ext)
                self.assertEqual("running", ext.state)

        self.run_async(main())


class Taker(pyisolate.ProxiedSingleton):
    def take(self, value):
        return len(value)


class Values(HostTest):
    def test_places(self):
        """What cannot travel is told with its place, on the way there and back."""
        cycle = []
        cycle.append(cycle)
        deep = 1
        for _ in range(100):
            deep = {"a": deep}

        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                for error, pattern, args, kwargs in [
                    (
                        TypeError,
                        r"'object' \(at argument 1 → \['a'\]\[1\]\)",
                        ({"a": [1, object()]},),
                        {},
                    ),
                    (TypeError, r"'object' \(at argument 2", (1, object()), {}),
                    (TypeError, r"'object' \(at .*'b'.*'x'", (1,), {"b": {"x": object()}}),
                    (ValueError, r"nested deeper .*argument 1 → \[0\]\[0\]", (cycle,), {}),
                    (ValueError, r"nested deeper .*\['a'\]\['a'\]", (deep,), {}),
                    (TypeError, "'function'", (lambda: None,), {}),
                ]:
                    with self.subTest(pattern=pattern), self.assertRaisesRegex(error, pattern):
                        await ext.add(*args, **kwargs)
                    with self.subTest(pattern=pattern), self.assertRaisesRegex(error, pattern):
                        ext.sync.add(*args, **kwargs)
                with self.assertRaisesRegex(TypeError, r"'object' .*\['a'\]\[1\]"):
                    await ext.bad()
                with self.assertRaisesRegex(ValueError, "nested deeper"):
                    await ext.cycle()
                self.assertEqual(3, await ext.add(1))

        self.run_async(main())

    def test_too_much_shared_memory(self):
        """What an extension cannot send is an error of that call: by a lane, and by D-Bus."""
        # The host has a descriptor of each piece, and a shell gives its user 1024 of them.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION, apis=[Taker])
                for name in "pieces", "pieces_async", "give_sync", "give":
                    by_lane = getattr(ext, name)
                    by_dbus = functools.partial(asyncio.to_thread, getattr(ext.sync, name))
                    for call in by_lane, by_dbus:
                        with self.subTest(name), self.assertRaisesRegex(Exception, "1025 pieces"):
                            await call(1025)
                        self.assertIn(await call(2), (2, [bytes(9000)] * 2))

        self.run_async(main())


class Garbage(HostTest):
    def test_managers_come_and_go(self):
        """Neither threads nor descriptors nor processes are left of a hundred managers."""
        path = self.write(EXTENSION)

        def use(number):
            manager = pyisolate.ExtensionManager(None, {"venv_root_path": str(self.folder / "v")})
            isolated = number % 10 == 0
            ext = manager.load_extension(
                {"name": "sample", "module_path": path, "isolated": isolated}
            )
            self.assertEqual(3, ext.sync.add(1))
            manager.stop_all_extensions()

        use(0)
        gc.collect()
        threads = threading.active_count()
        fds = len(os.listdir("/proc/self/fd"))
        for number in range(100):
            use(number)
        gc.collect()
        wait_until(lambda: threading.active_count() <= threads + 1)
        wait_until(lambda: len(os.listdir("/proc/self/fd")) <= fds + 8)


if __name__ == "__main__":
    unittest.main()
