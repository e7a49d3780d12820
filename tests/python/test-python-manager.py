# SPDX-License-Identifier: MIT
"""Configurations, many extensions at once, logs, and hosts that end before their extensions."""

import asyncio
import contextlib
import gc
import logging
import os
import queue
import select
import signal
import subprocess
import sys
import textwrap
import time
import unittest
import zipfile

import pyisolate
from host_helper import DEADLINE, HostTest, run_program, wait_until

EXTENSION = '''
import asyncio
import logging


def add(a, b=2):
    """Add."""
    return a + b


async def sleep():
    await asyncio.sleep(1000)


def log():
    logging.getLogger("inner").warning("logged %d", 1)
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("inner").exception("failed")
    print("printed")
'''

PROGRAM = """
import asyncio, multiprocessing, os, sys
import pyisolate

path, root, what = sys.argv[1:]
manager = pyisolate.ExtensionManager(None, {"venv_root_path": root})
ext = manager.load_extension({"name": "sample", "module_path": path})


async def main():
    await ext
    print(ext.pid, flush=True)
    sys.stdin.readline()  # until the worker is watched
    if what == "wait":
        await ext.sleep()


def in_child():
    try:
        ext.sync.add(1)
    except RuntimeError as error:
        os._exit(7 if "forked" in str(error) else 1)


if what == "wait-sync":
    asyncio.run(main())
    ext.sync.sleep()
elif what == "fork":
    asyncio.run(main())
    child = multiprocessing.get_context("fork").Process(target=in_child)
    child.start()
    child.join()
    print(child.exitcode, ext.sync.add(1))
else:
    asyncio.run(main())
"""

# Says that its import has begun, and goes on when it is let go.
HELD = """
import os

with open({begun!r}, "a") as file:
    file.write("+")
with open({gate!r}, "rb", 0) as file:
    file.read(1)
"""


EVENTS = """
import enum

import pyisolate


class Unknown(enum.Enum):
    HERE = 1


pyisolate.register_type(Unknown, "test.Unknown")


def tell(value):
    pyisolate.emit_event("told", Unknown.HERE if value is None else value)
"""


class Kept(pyisolate.ProxiedSingleton):
    pass


class Config(HostTest):
    def test_defaults(self):
        config = pyisolate.ExtensionConfig(name="a", module_path="/a")
        self.assertEqual("a", config["name"])
        self.assertEqual("a", config.name)
        self.assertIs(True, config.isolated)
        self.assertEqual([], config["dependencies"])
        self.assertEqual([], config.apis)
        self.assertIs(False, config.share_torch)
        self.assertIsInstance(config, dict)
        config.dependencies.append("x")
        self.assertEqual([], pyisolate.ExtensionConfig(name="a", module_path="/a").dependencies)

    def test_unknown_keys(self):
        with self.assertRaisesRegex(TypeError, "perhaps 'dependencies'"):
            pyisolate.ExtensionConfig(name="a", module_path="/a", dependancies=[])
        with self.assertRaisesRegex(TypeError, "needs module_path"):
            pyisolate.ExtensionConfig(name="a")
        with self.assertRaisesRegex(TypeError, r"migrating\.md"):
            pyisolate.ExtensionConfig(name="a", module_path="/a", conda_channels=[])
        with self.assertRaises(TypeError):
            pyisolate.ExtensionConfig(name="a", module_path="/a").nmae = "b"

    def test_checked_at_once(self):
        manager = self.make_manager()
        for error, pattern, change in [
            (pyisolate.BadConfigError, "nowhere", {"module_path": "/nowhere"}),
            (pyisolate.BadConfigError, "slash", {"name": "a/b"}),
            (pyisolate.BadConfigError, "this Python has none", {"share_torch": True}),
            (TypeError, "list of strings", {"dependencies": "numpy"}),
            (TypeError, "ProxiedSingleton", {"apis": [int]}),
            (TypeError, "start_timeout.*seconds.*not -1", {"start_timeout": -1}),
            (TypeError, "stop_timeout.*not nan", {"stop_timeout": float("nan")}),
            (TypeError, "call_timeout.*not '5'", {"call_timeout": "5"}),
            (TypeError, "strings to strings", {"env": {"A": None}}),
            (pyisolate.BadConfigError, "'A=B' has an equals sign", {"env": {"A=B": "c"}}),
            (pyisolate.BadConfigError, "'name'.*NUL", {"name": "a\0b"}),
            (pyisolate.BadConfigError, "'env'.*NUL", {"env": {"A": "b\0c"}}),
            (pyisolate.BadConfigError, "'python'.*NUL", {"python": "3.11\0"}),
            (pyisolate.BadConfigError, "'dependencies'.*NUL", {"dependencies": ["a\0b"]}),
            (
                pyisolate.SandboxUnavailableError,
                "sandbox",
                {"sandbox_mode": pyisolate.SandboxMode.REQUIRED},
            ),
        ]:
            with self.subTest(change=change):
                config = {"name": "a", "module_path": str(self.folder), **change}
                (self.folder / "__init__.py").touch()
                with self.assertRaisesRegex(error, pattern):
                    manager.load_extension(config)
        self.assertEqual({}, manager.extensions)

    def test_counts_are_checked(self):
        for key in ("max_parallel_installs", "max_parallel_starts"):
            for count in (0, -1, 1 << 32, "2", None, True):
                with self.subTest(f"{key}={count!r}"), self.assertRaisesRegex(TypeError, key):
                    pyisolate.ExtensionManager(config={key: count})

    def test_times_without_end(self):
        """Longer than C, or a thread, can wait."""
        (self.folder / "__init__.py").write_text("def one():\n    return 1\n")
        for isolated in (True, False):
            for seconds in (None, float("inf"), 1e300, 10**400):
                with self.subTest(isolated=isolated, seconds=seconds):
                    names = ("call_timeout", "start_timeout", "stop_timeout")
                    config = {"name": "a", "module_path": str(self.folder), "isolated": isolated}
                    config.update(dict.fromkeys(names, seconds))
                    with pyisolate.ExtensionManager() as manager:
                        self.assertEqual(1, manager.load_extension(config).sync.one())


class Manager(HostTest):
    def test_load_all(self):
        """Sixty at once, of which some fail; the others run. No more than three start at a time."""
        gate, begun = self.folder / "gate", self.folder / "begun"
        os.mkfifo(gate)
        begun.touch()
        held = HELD.format(begun=str(begun), gate=str(gate))
        manager = self.make_manager(max_parallel_installs=2, max_parallel_starts=3)

        async def let_go():
            """One by one: another one begins for each."""
            with open(gate, "r+b", 0) as file:
                for number in range(60):
                    while begun.stat().st_size < min(number + 3, 60):
                        await asyncio.sleep(0.005)
                    # None of these ends, so that no other may have begun.
                    states = [ext.state for ext in manager.extensions.values()]
                    self.assertLessEqual(states.count("starting"), 3)
                    file.write(b"+")
                return await loading

        async def main():
            nonlocal loading
            configs = []
            for number in range(60):
                name = f"extension-{number}"
                source = "raise ValueError('at import')" if number % 20 == 7 else EXTENSION
                path = self.write(held + source, name)
                configs.append({"name": name, "module_path": str(path)})
            configs.append({"name": "nowhere", "module_path": "/nowhere"})
            configs.append({"name": "unsolvable", "module_path": configs[0]["module_path"]})
            configs[-1].update(dependencies=["b>1", "b<1"], index_url=f"file://{self.folder}")
            loading = asyncio.ensure_future(manager.load_all(configs))
            result = await let_go()
            self.assertEqual(1.0, manager.progress)
            bad = [f"extension-{n}" for n in (7, 27, 47)]
            self.assertEqual({*bad, "nowhere", "unsolvable"}, set(result.failed))
            self.assertEqual(57, len(result))
            for name in bad:
                self.assertIsInstance(result.failed[name], pyisolate.LoadError)
                self.assertRegex(str(result.failed[name]), "ValueError: at import")
            self.assertIsInstance(result.failed["nowhere"], pyisolate.BadConfigError)
            self.assertIsInstance(result.failed["unsolvable"], pyisolate.EnvironmentMakingError)
            sums = await asyncio.gather(*(ext.add(1) for ext in result.values()))
            self.assertEqual([3] * 57, sums)
            self.assertEqual(57, len({ext.pid for ext in result.values()}))
            await manager.stop_all_extensions()

        loading = None
        self.run_async(main())

    def test_load_error(self):
        """Tells where in the extension it was, and what led to it."""
        source = """
            def inner():
                try:
                    {}["k"]
                except KeyError as error:
                    raise ValueError("at import", 7) from error

            inner()
        """
        for isolated in (True, False):
            with self.subTest(isolated=isolated):
                name = f"broken_{isolated}"
                ext = self.load(self.make_manager(), source, name, isolated=isolated)
                with self.assertRaisesRegex(
                    pyisolate.LoadError, "ValueError: .*at import"
                ) as raised:
                    ext.sync.anything()
                cause = raised.exception.__cause__
                self.assertIs(ValueError, type(cause))
                self.assertEqual(("at import", 7), cause.args)
                self.assertIsInstance(cause.__cause__, KeyError)
                self.assertRegex(raised.exception.remote_traceback, "__init__.py.*in inner")
                self.assertEqual("failed", ext.state)

    def test_logs(self):
        """Records have the level, the time and the logger that they have in the extension."""
        times = []

        async def main():
            async with self.make_manager() as manager:
                ext = await self.load(manager, EXTENSION)
                times.append(time.time())
                await ext.log()
                times.append(time.time())

        with self.assertLogs("sample") as logs:
            self.run_async(main())
        self.assertIn("WARNING:sample.inner:logged 1", logs.output)
        self.assertIn("INFO:sample:printed", logs.output)
        self.assertIn("ERROR:sample.inner:failed", "\n".join(logs.output))
        self.assertIn("ZeroDivisionError", "\n".join(logs.output))
        for record in logs.records:
            self.assertEqual("sample", record.extension)
            self.assertGreaterEqual(record.created, times[0] - 0.1)
            self.assertLessEqual(record.created, time.time())

    def test_what_handlers_do(self):
        """In the thread of the library's nothing waits for that thread; what is begun there is."""
        manager = self.make_manager()
        other = {"name": "other", "module_path": self.write(EXTENSION, "other"), "apis": [Kept]}
        done = []

        async def use(ext):
            await ext

        def handle(progress):
            if done:
                return
            done.append(manager.load_extension(other))
            with self.assertRaisesRegex(RuntimeError, "cannot wait"):
                done[0].sync.add(1)
            with self.assertRaisesRegex(RuntimeError, "cannot wait"):
                asyncio.run(use(done[0]))
            done.append(manager.stop_extension("sample"))

        class Handler(logging.Handler):
            def emit(self, record):
                if len(done) == 2:
                    done.extend([record.getMessage(), done[0].sync.add(2)])
                    done[0].stop()

        manager.on_progress(handle)
        ext = self.load(manager, EXTENSION)
        with contextlib.suppress(pyisolate.Error):  # it may have been loaded by then
            ext.sync.add(1)
        wait_until(lambda: ext.state in ("stopped", "failed"))
        self.assertEqual(2, len(done))
        handler = Handler(logging.WARNING)
        logger = logging.getLogger("other")
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        with contextlib.suppress(pyisolate.Error):  # it may be stopped before it has answered
            done[0].sync.log()
        wait_until(lambda: done[0].state == "stopped")
        self.assertEqual(["logged 1", 4], done[2:])

    def test_events_that_fail(self):
        """With a loop and without, one is told of what a handler does not get, or does not take."""

        class Gone(BaseException):
            pass

        def handle(value):
            if value == "raise":
                raise Gone("in a handler")
            told.put(value)

        async def tell_on_loop(logs):
            ext = self.load(self.make_manager(), EVENTS, "on-loop")
            ext.register_event_handler("told", handle)
            await ext.tell(None)
            while not logs.output:
                await asyncio.sleep(0.01)

        told = queue.SimpleQueue()
        ext = self.load(self.make_manager(), EVENTS)
        ext.register_event_handler("told", handle)
        with self.assertLogs("pyisolate", "ERROR") as logs:
            for value in (None, "raise", "last"):
                ext.sync.tell(value)
            self.assertEqual("last", told.get(timeout=DEADLINE / 2))
        self.assertEqual(2, len(logs.output))
        self.assertRegex(logs.output[0], "(?s)'told' of 'sample'.*test.Unknown")
        self.assertIn("Gone: in a handler", logs.output[1])
        with self.assertLogs("pyisolate", "ERROR") as logs:
            self.run_async(tell_on_loop(logs))
        self.assertRegex(logs.output[0], "(?s)'told' of 'on-loop'.*test.Unknown")

    def test_name_of_program(self):
        """Below it extensions have their state directories: a script's is not its interpreter's."""
        extension = self.folder / "where.py"
        extension.write_text(
            "import pyisolate\n\n\ndef where():\n    return pyisolate.state_directory\n"
        )
        package = self.folder / "my_module"
        package.mkdir()
        source = textwrap.dedent(f"""
            import sys
            import pyisolate

            config = {{"name": "where", "module_path": {str(extension)!r}, "isolated": False}}
            with pyisolate.ExtensionManager() as manager:
                print(manager.load_extension(config).sync.where())
        """)
        for path in (self.folder / "my-app.py", package / "__main__.py"):
            path.write_text(source)
        with zipfile.ZipFile(self.folder / "packed.pyz", "w") as archive:
            archive.writestr("__main__.py", source)
        programs = {
            "my-app": ["my-app.py"],
            "my_module": ["-m", "my_module"],
            "packed": ["packed.pyz"],
            os.path.basename(sys.executable): ["-c", source],
        }
        for name, arguments in programs.items():
            environ = {"XDG_STATE_HOME": str(self.folder)}
            done = run_program(*arguments, cwd=self.folder, env=environ)
            self.assertEqual(
                str(self.folder / "pyisolate-glib" / name / "where"),
                done.stdout.strip(),
                done.stderr,
            )

    def test_dropped(self):
        """A manager that nobody has any more takes its processes with it."""
        manager = pyisolate.ExtensionManager(None, {"venv_root_path": str(self.folder / "venvs")})
        ext = self.load(manager, EXTENSION)
        self.assertEqual(3, ext.sync.add(1))
        process = os.pidfd_open(ext.pid)
        self.addCleanup(os.close, process)
        del manager, ext
        gc.collect()
        self.assertTrue(select.select([process], [], [], DEADLINE / 2)[0])

    def run_host(self, what):
        path = self.write(EXTENSION)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path), str(self.folder / "venvs"), what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        pid = int(process.stdout.readline())
        worker = os.pidfd_open(pid)
        self.addCleanup(os.close, worker)
        process.stdin.write("\n")
        process.stdin.flush()
        return process, worker

    def ended(self, process, worker):
        out, err = process.communicate(timeout=DEADLINE / 2)
        self.assertTrue(select.select([worker], [], [], DEADLINE / 2)[0], "a leftover process")
        return out, err

    def test_interrupted(self):
        for what in ("wait", "wait-sync"):
            with self.subTest(what=what):
                process, worker = self.run_host(what)
                process.send_signal(signal.SIGINT)
                _, err = self.ended(process, worker)
                self.assertEqual(-signal.SIGINT, process.returncode, err)
                self.assertEqual(1, err.count("\nKeyboardInterrupt"), err)
                import shutil

                shutil.rmtree(self.folder / "sample")

    def test_never_stopped(self):
        process, worker = self.run_host("leave")
        _, err = self.ended(process, worker)
        self.assertEqual("", err)
        self.assertEqual(0, process.returncode)

    def test_fork(self):
        process, worker = self.run_host("fork")
        out, _ = self.ended(process, worker)
        self.assertEqual("7 3\n", out)
        self.assertEqual(0, process.returncode)


if __name__ == "__main__":
    logging.basicConfig()
    unittest.main()
