# SPDX-License-Identifier: MIT
"""Configurations, many extensions at once, logs, and hosts that end before their extensions."""

import asyncio
import gc
import logging
import os
import select
import signal
import subprocess
import sys
import unittest

import pyisolate
from host_helper import DEADLINE, HostTest

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


class Manager(HostTest):
    def test_load_all(self):
        async def main():
            async with self.make_manager() as manager:
                configs = []
                for number in range(6):
                    name = f"extension-{number}"
                    source = "raise ValueError('at import')" if number == 3 else EXTENSION
                    configs.append({"name": name, "module_path": str(self.write(source, name))})
                configs.append({"name": "nowhere", "module_path": "/nowhere"})
                result = await manager.load_all(configs)
                self.assertEqual([f"extension-{n}" for n in (0, 1, 2, 4, 5)], sorted(result))
                self.assertEqual({"extension-3", "nowhere"}, set(result.failed))
                self.assertIsInstance(result.failed["extension-3"], pyisolate.LoadError)
                self.assertRegex(str(result.failed["extension-3"]), "ValueError: at import")
                sums = await asyncio.gather(*(ext.add(1) for ext in result.values()))
                self.assertEqual([3] * 5, sums)

        self.run_async(main())

    def test_logs(self):
        async def main():
            async with self.make_manager() as manager:
                await self.load(manager, EXTENSION).log()

        with self.assertLogs("sample") as logs:
            self.run_async(main())
        self.assertIn("WARNING:sample.inner:logged 1", logs.output)
        self.assertIn("INFO:sample:printed", logs.output)
        self.assertTrue(all(record.extension == "sample" for record in logs.records))

    def test_progress(self):
        stages = []

        async def main():
            async with self.make_manager() as manager:
                manager.on_progress(lambda progress: stages.append(progress.stage))
                await self.load(manager, EXTENSION)

        self.run_async(main())
        self.assertEqual("starting", stages[-2])
        self.assertEqual("ready", stages[-1])

    def test_signature(self):
        import inspect

        async def main():
            async with self.make_manager() as manager:
                ext = await self.load(manager, EXTENSION)
                self.assertEqual("(a, b=2)", str(inspect.signature(ext.add)))
                self.assertEqual("Add.", inspect.getdoc(ext.api.add))

        self.run_async(main())

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
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        pid = int(process.stdout.readline())
        worker = os.pidfd_open(pid)
        self.addCleanup(os.close, worker)
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
