# SPDX-License-Identifier: MIT
"""Calls of an extension's methods from a host in Python."""

import asyncio
import datetime
import gc
import os
import pickle
import sys
import threading
import time
import unittest

import pyisolate
from host_helper import DEADLINE, HostTest, run_program

EXTENSION = '''
import asyncio

import pyisolate

started = []
cancelled = []
changed = asyncio.Event()


class OwnError(Exception):
    pass


async def echo(*args, **kwargs):
    """Give it back."""
    return kwargs if kwargs else args[0] if len(args) == 1 else args


def add(a, b=2):
    return a + b


async def sleep(seconds):
    started.append(seconds)
    changed.set()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled.append(seconds)
        changed.set()
        raise
    return seconds


async def wait_until(what, count):
    seen = {"started": started, "cancelled": cancelled}[what]
    while len(seen) < count:
        changed.clear()
        await changed.wait()
    return seen


def fail(name, *args):
    import builtins

    raise getattr(builtins, name)(*args)


def fail_own():
    try:
        {}["inner"]
    except KeyError as error:
        raise OwnError("outer", 7) from error


async def unencodable():
    return object()


async def work():
    for n in range(3):
        pyisolate.progress(n / 2, f"step {n}")
        await asyncio.sleep(0)
    return "worked"


def work_def():
    pyisolate.progress(0.5)
    return "worked"


def block(path):
    """Until somebody opens the other end."""
    open(path, "rb").close()


def die():
    import os

    os._exit(3)
'''


MAIN = """
import sys
import pyisolate

manager = pyisolate.ExtensionManager(None, {"venv_root_path": sys.argv[2]})
first, second = (
    manager.load_extension({"name": name, "module_path": sys.argv[1]}) for name in ("a", "b")
)
print(first.sync.echo(1) + second.sync.echo(1))
"""


class Calls(HostTest):
    def test_values(self):
        values = [
            None,
            1,
            2**100,
            1.5,
            "text",
            b"bytes",
            [1, "a"],
            (1, 2),
            {1: 2},
            {"a": [None]},
            {1, 2},
            datetime.date(2020, 1, 2),
        ]

        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                for value in values:
                    answer = await ext.echo(value)
                    self.assertEqual(value, answer)
                    self.assertIs(type(value), type(answer))
                self.assertEqual({"a": 1}, await ext.echo(a=1))
                self.assertEqual(5, await ext.add(3))

        self.run_async(main())

    def test_loading_is_lazy(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                self.assertEqual("new", ext.state)
                self.assertIsNone(ext.pid)
                self.assertEqual([], ext.methods)
                self.assertIs(ext, await ext)
                self.assertEqual("running", ext.state)
                self.assertIsNotNone(ext.pid)
                self.assertIn("echo", [method.name for method in ext.methods])
                self.assertIn("echo", dir(ext))
                self.assertEqual("Give it back.", ext.echo.__doc__)
                with self.assertRaisesRegex(AttributeError, "perhaps 'echo'"):
                    _ = ext.ecko
                await ext.stop()
                self.assertEqual("stopped", ext.state)
                with self.assertRaises(pyisolate.NotRunningError):
                    await ext.echo(1)

        self.run_async(main())

    def test_many_at_once(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                answers = await asyncio.gather(*(ext.echo(n) for n in range(500)))
                self.assertEqual(list(range(500)), answers)

        self.run_async(main())

    def test_second_run_after_the_first(self):
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)

        async def ask(value):
            return await ext.echo(value)

        self.assertEqual(1, self.run_async(ask(1)))
        self.assertEqual(2, self.run_async(ask(2)))

    def test_loops_in_threads(self):
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)
        answers = []

        async def ask(number):
            return await asyncio.gather(*(ext.echo((number, n)) for n in range(50)))

        def run(number):
            answers.append((number, asyncio.run(ask(number))))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            [(number, [(number, n) for n in range(50)]) for number in range(4)], sorted(answers)
        )

    def test_loops_that_take_over_at_once(self):
        """Of the first loop, which is closed: each lets go of what it has replaced, no more."""
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)
        self.assertEqual(1, ext.sync.echo(1))  # which loads it
        asyncio.run(self.echo_once(ext))
        old = manager._bridge
        both = threading.Barrier(2)
        adopt = manager._adopt_loop

        def adopt_together():
            adopt()
            both.wait(DEADLINE / 4)

        manager._adopt_loop = adopt_together
        threads = [
            threading.Thread(target=asyncio.run, args=(self.echo_once(ext),)) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        del manager._adopt_loop
        self.assertFalse(both.broken)
        gc.collect()
        # This function's, and that of the one that counts.
        self.assertEqual(2, sys.getrefcount(old))

    async def echo_once(self, ext):
        self.assertEqual(1, await ext.echo(1))

    def test_loaded_once(self):
        """Also if several threads use it first, at the same time."""
        ext = self.load(self.make_manager(), EXTENSION)
        begin, begun, answers = ext._begin_loading, [], []

        def begin_slowly():
            begun.append(threading.get_ident())
            for _ in range(1000):
                time.sleep(0)  # the others' turn
            return begin()

        ext._begin_loading = begin_slowly
        threads = [
            threading.Thread(target=lambda n=n: answers.append(ext.sync.add(n))) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(1, len(begun))
        self.assertEqual([n + 2 for n in range(8)], sorted(answers))

    def test_sync(self):
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)
        self.assertEqual("x", ext.sync.echo("x"))

        async def main():
            return ext.sync.echo("y")

        self.assertEqual("y", self.run_async(main()))

    def test_cancelling(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                await ext
                task = asyncio.ensure_future(ext.sleep(100))
                await ext.wait_until("started", 1)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertEqual([100], await ext.wait_until("cancelled", 1))
                late = asyncio.ensure_future(ext.sleep(200))
                await ext.wait_until("started", 2)
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(late, 0.1)
                self.assertEqual([100, 200], await ext.wait_until("cancelled", 2))
                with self.assertRaises(pyisolate.CallTimeoutError) as caught:
                    await ext.options(timeout=0.05).sleep(300)
                self.assertIsInstance(caught.exception, TimeoutError)

        self.run_async(main())

    def test_odd_deadlines(self):
        raised = []
        self.addCleanup(setattr, threading, "excepthook", threading.excepthook)
        threading.excepthook = raised.append

        async def main():
            async with self.make_manager() as manager:
                for isolated in (True, False):
                    ext = self.load(manager, EXTENSION, f"e{isolated}", isolated=isolated)
                    for timeout in (0, -0.5, -1, -2, -1000, float("-inf")):
                        with self.assertRaises(pyisolate.CallTimeoutError, msg=timeout):
                            await ext.options(timeout=timeout).sleep(300)
                    self.assertEqual(1, await ext.options(timeout=float("inf")).echo(1))
                    with self.assertRaisesRegex(ValueError, "NaN"):
                        ext.options(timeout=float("nan"))

        self.run_async(main())
        self.assertEqual([], raised)

    def test_a_transport_that_there_is_not(self):
        path = self.folder / "main.py"
        path.write_text(MAIN)
        for transport, warnings in (("d-bus", 1), ("dbus", 0), ("", 0)):
            with self.subTest(transport=transport):
                environment = {"PYISOLATE_TRANSPORT": transport}
                extension = self.write(EXTENSION, f"to{transport}")
                done = run_program(path, extension, self.folder, env=environment)
                self.assertEqual("2\n", done.stdout, done.stderr)
                self.assertEqual(warnings, done.stderr.count("PYISOLATE_TRANSPORT is"), done.stderr)

    def test_exceptions_of_files(self):
        """They say which files."""

        async def main():
            async with self.make_manager() as manager:
                for n, python in enumerate(os.environ["PYISOLATE_TEST_PYTHONS"].split(":")):
                    ext = self.load(manager, EXTENSION, f"python{n}", python=python)
                    for files in [("/a",), (b"/a",), ("/a", None, "/b")]:
                        here = OSError(2, "gone", *files)
                        with self.subTest(python=python, files=files):
                            with self.assertRaises(FileNotFoundError) as caught:
                                await ext.fail("OSError", 2, "gone", *files)
                            error = caught.exception
                            self.assertEqual((2, "gone"), error.args)
                            self.assertEqual(here.filename, error.filename)
                            self.assertEqual(here.filename2, error.filename2)
                            self.assertEqual(str(here), str(error))

        self.run_async(main())

    def test_errors_without_files(self):
        """That a class of ours is an OSError makes no errno and no file of what it tells."""
        for cls in (pyisolate.CallTimeoutError, pyisolate.ProcessEndedError, pyisolate.LoadError):
            with self.subTest(cls=cls):
                error = cls("PyIsolateError", 14, "too late")
                for again in (error, pickle.loads(pickle.dumps(error))):
                    self.assertIs(cls, type(again))
                    self.assertEqual(("PyIsolateError", 14, "too late"), again.args)
                    self.assertEqual("too late", str(again))
                    self.assertEqual(14, again.code)
                    self.assertIsNone(getattr(again, "errno", None))
                    self.assertIsNone(getattr(again, "filename", None))

    def test_exceptions(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                for name, args in [
                    ("ValueError", ("bad", 3)),
                    ("KeyError", ("k",)),
                    ("ValueError", ()),
                    ("FileNotFoundError", (2, "gone")),
                    ("ZeroDivisionError", ()),
                ]:
                    with self.assertRaises(Exception) as caught:
                        await asyncio.gather(ext.fail(name, *args))
                    self.assertEqual(name, type(caught.exception).__name__)
                    self.assertEqual(args, caught.exception.args)
                with self.assertRaises(pyisolate.RemoteError) as caught:
                    await ext.fail_own()
                error = caught.exception
                self.assertEqual("OwnError", type(error).__name__)
                self.assertEqual(("outer", 7), error.args)
                self.assertIn("in fail_own", error.remote_traceback)
                self.assertIn("in fail_own", "".join(error.__notes__))
                self.assertIsInstance(error.__cause__, KeyError)
                self.assertEqual(("inner",), error.__cause__.args)
                with self.assertRaises(pyisolate.RemoteError) as caught:
                    await ext.fail("SystemExit", 3)
                self.assertEqual("SystemExit", type(caught.exception).__name__)
                with self.assertRaisesRegex(RuntimeError, "raised StopIteration") as caught:
                    await ext.fail("StopIteration", 7)
                self.assertEqual((7,), caught.exception.__cause__.args)
                with self.assertRaises(StopIteration):
                    ext.sync.fail("StopIteration", 7)
                self.assertEqual(1, await ext.echo(1))

        self.run_async(main())

    def test_bad_values(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                with self.assertRaisesRegex(TypeError, "'object'"):
                    await ext.echo(object())
                cycle = []
                cycle.append(cycle)
                with self.assertRaises(ValueError):
                    await ext.echo(cycle)
                with self.assertRaisesRegex(TypeError, "'object'"):
                    await ext.unencodable()
                self.assertEqual(1, await ext.echo(1))

        self.run_async(main())

    def test_progress(self):
        """Comes where the call was made, in order with its answer."""
        told = []

        def on_progress(fraction, text):
            told.append((fraction, text, threading.get_ident()))

        async def main():
            async with self.make_manager() as manager:
                for isolated in (True, False):
                    ext = self.load(manager, EXTENSION, f"e{isolated}", isolated=isolated)
                    options = ext.options(on_progress=on_progress)
                    self.assertEqual("worked", await options.work())
                    here = threading.get_ident()
                    steps = [(0.0, "step 0", here), (0.5, "step 1", here), (1.0, "step 2", here)]
                    self.assertEqual(steps, told)
                    self.assertEqual("worked", options.sync.work_def())
                    self.assertEqual([*steps, (0.5, "", here)], told)
                    self.assertEqual("worked", await ext.work())
                    self.assertEqual(4, len(told))
                    told.clear()
                    with self.assertLogs("pyisolate", "ERROR") as logs:
                        bad = ext.options(on_progress=lambda *progress: 1 / 0)
                        self.assertEqual("worked", await bad.work())
                    self.assertEqual(3, len(logs.output))
                    self.assertIn("ZeroDivisionError", logs.output[0])

        self.run_async(main())

    def test_ping(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                with self.assertRaises(pyisolate.NotRunningError):
                    ext.ping()
                await ext
                gate = self.folder / "gate"
                os.mkfifo(gate)
                busy = asyncio.ensure_future(ext.block(str(gate)))
                await ext.ping()
                self.assertFalse(busy.done())
                await asyncio.get_running_loop().run_in_executor(None, gate.write_bytes, b"")
                await busy
                here = self.load(manager, EXTENSION, "here", isolated=False)
                await here
                await here.ping()
                await ext.stop()
                with self.assertRaises(pyisolate.NotRunningError):
                    ext.ping()

        self.run_async(main())

    def test_death(self):
        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)
                with self.assertRaises(pyisolate.ProcessEndedError) as caught:
                    await ext.die()
                self.assertIsInstance(caught.exception, ConnectionError)
                with self.assertRaises(pyisolate.RemoteError):
                    await ext.echo(1)
                again = manager.load_extension(ext.config)
                self.assertEqual(2, await again.echo(2))

        self.run_async(main())


if __name__ == "__main__":
    unittest.main()
