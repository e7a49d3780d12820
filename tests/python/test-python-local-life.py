# SPDX-License-Identifier: MIT
"""How extensions with isolated=False are loaded, stopped and dropped, and where they live."""

import asyncio
import gc
import os
import shutil
import sys
import threading
import unittest
import weakref

import pyisolate
from host_helper import DEADLINE, wait_until
from local_helper import PLAIN, LocalTest
from shared_api import HostAPI

BAD_TASK = """
import asyncio

import pyisolate


async def end_badly():
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        raise SystemExit(3) from None


class Sample(pyisolate.ExtensionBase):
    async def on_module_loaded(self, module):
        self.task = asyncio.create_task(end_badly())
        await asyncio.sleep(0)
        pass

    async def one(self):
        return 1
"""


class Life(LocalTest):
    def test_stopping(self):
        async def main():
            manager = self.make_manager()
            ext = self.load_mixed(manager)
            await ext
            self.assertTrue("sample" in sys.modules)
            HostAPI().data["tell of the end"] = True
            running = asyncio.ensure_future(ext.sleep())
            await ext.echo(1)
            await ext.stop()
            with self.assertRaises(pyisolate.NotRunningError):
                await running
            self.assertTrue(HostAPI().data["stopped"])
            self.assertEqual("stopped", ext.state)
            self.assertFalse("sample" in sys.modules)
            with self.assertRaises(pyisolate.NotRunningError):
                await ext.echo(1)
            while any(t.name.startswith("pyisolate-sample") for t in threading.enumerate()):
                await asyncio.sleep(0.01)  # what has told of its end is about to
            again = manager.load_extension(ext.config)
            self.assertEqual(2, await again.echo(2))
            await manager.stop_all_extensions()
            self.assertEqual("stopped", again.state)

        self.run_async(main())

    def test_stop_that_raises(self):
        source = """
            import pyisolate

            class Sample(pyisolate.ExtensionBase):
                def add(self, a):
                    return a + 1

                {how} stop(self):
                    raise {error}("not in order")
        """
        for how, error in (("def", "ValueError"), ("async def", "SystemExit")):
            for isolated in (False, True):
                name = f"{error}_{isolated}"
                manager = self.make_manager()
                text = source.format(how=how, error=error)
                ext = self.load(manager, text, name, isolated=isolated)
                self.assertEqual(2, ext.sync.add(1))
                with self.assertLogs(name, "ERROR") as logs:
                    manager.stop_extension(name)
                    wait_until(lambda logs=logs: logs.records)  # a worker's comes on its own
                (record,) = logs.records
                self.assertIn(f"{error}: not in order", record.getMessage())
                self.assertEqual(name, record.extension)
                self.assertEqual("stopped", ext.state)

    def test_what_tasks_raise_at_the_end(self):
        """An extension ends, and one that cannot be loaded is told of, whatever its tasks do."""
        told = []
        hook = sys.excepthook
        sys.excepthook = lambda *args: told.append(args[0])
        self.addCleanup(setattr, sys, "excepthook", hook)
        manager = self.make_manager()
        config = {"isolated": False, "stop_timeout": DEADLINE}
        ext = self.load(manager, BAD_TASK, **config)
        self.assertEqual(1, ext.sync.one())
        ext.stop()
        self.assertEqual("stopped", ext.state)
        self.assertEqual([SystemExit], told)
        bad = self.load(manager, BAD_TASK.replace("pass", "raise ValueError"), "bad", **config)
        with self.assertRaises(pyisolate.LoadError):
            bad.sync.one()
        self.assertEqual([SystemExit] * 2, told)

    def test_state_directory_of_dots(self):
        """The name of an application leads nowhere else."""
        source = "import pyisolate\n\n\ndef where():\n    return pyisolate.state_directory\n"
        path = self.write(source, f"of {self.folder.name}")
        for application in (".", ".."):
            found = []
            for isolated in (True, False):
                manager = self.make_manager(application_id=application)
                config = {"name": path.name, "module_path": path, "isolated": isolated}
                found.append(manager.load_extension(config).sync.where())
                manager.stop_all_extensions()
            self.assertEqual(found[0], found[1])
            shutil.rmtree(found[1])

    def test_state_directory(self):
        source = """
            import os
            import pyisolate

            def visit():
                with open(os.path.join(pyisolate.state_directory, "visits"), "a+") as file:
                    file.write("1")
                    file.seek(0)
                    return [pyisolate.state_directory, len(file.read())]
        """
        application_id = f"of/{self.folder.name}"
        here, own = (
            self.load(
                self.make_manager(application_id=application_id), source, name, **config
            ).sync.visit()
            for name, config in (("sam ple", {}), ("other", {"isolated": False}))
        )
        self.assertEqual(1, own[1])
        self.assertEqual(os.path.dirname(here[0]), os.path.dirname(own[0]))
        manager = self.make_manager(application_id=application_id)
        again = manager.load_extension(
            {"name": "sam ple", "module_path": self.folder / "sam ple", "isolated": False}
        )
        self.assertEqual([here[0], 2], again.sync.visit())

    def test_what_cannot_be_described(self):
        source = """
            class Odd:
                def __repr__(self):
                    raise SystemExit("odd")

            def add(a=Odd()):
                pass
        """
        other = "__all__ = 5\ndef add():\n    pass\n"
        for name, isolated in (("own", True), ("here", False)):
            for text, error in ((source, "SystemExit: odd"), (other, "TypeError: .*int")):
                ext = self.load(self.make_manager(), text, name + error[:4], isolated=isolated)
                with self.assertRaisesRegex(pyisolate.LoadError, f"describe.*{error}"):
                    ext.sync.add()

    def test_dropped(self):
        manager = pyisolate.ExtensionManager(None, {"venv_root_path": str(self.folder / "venvs")})
        ext = self.load(manager, PLAIN, isolated=False)
        ext.sync.add(1)
        (thread,) = (t for t in threading.enumerate() if t.name == "pyisolate-sample")
        del manager, ext
        gc.collect()
        thread.join(DEADLINE / 2)
        self.assertFalse(thread.is_alive())

    def test_dropped_while_it_is_loaded(self):
        manager = pyisolate.ExtensionManager(None, {"venv_root_path": str(self.folder / "venvs")})
        gate = self.folder / "gate"
        os.mkfifo(gate)
        source = f"with open({str(gate)!r}) as gate:\n    gate.read()\n" + PLAIN
        ext = self.load(manager, source, isolated=False)
        loading = ext._load()
        with gate.open("w"):  # it is at its import now
            (thread,) = (t for t in threading.enumerate() if t.name == "pyisolate-sample")
            manager = weakref.ref(manager)
            del ext
            gc.collect()
            self.assertIsNone(manager())
        thread.join(DEADLINE / 2)
        self.assertFalse(thread.is_alive())
        with self.assertRaisesRegex(pyisolate.NotRunningError, "stopped while"):
            loading.result()

    def test_two_of_one_name(self):
        manager = self.make_manager()
        (self.folder / "other").mkdir()
        one = self.load(manager, PLAIN, "sample", isolated=False)
        other = self.folder / "other" / "sample.py"
        other.write_text("def own():\n    return __name__\n")
        two = manager.load_extension({"name": "two", "module_path": other, "isolated": False})
        self.assertEqual(3, one.sync.add(1))
        with self.assertLogs("pyisolate", "WARNING"):
            self.assertEqual("sample_extension", two.sync.own())

    def test_import_fails(self):
        ext = self.load(self.make_manager(), "raise ValueError('at import')", isolated=False)
        with self.assertRaisesRegex(pyisolate.LoadError, "ValueError: at import") as caught:
            ext.sync.anything()
        self.assertIsInstance(caught.exception.__cause__, ValueError)
        self.assertEqual("failed", ext.state)

    def test_what_needs_isolation(self):
        manager = self.make_manager()
        path = self.write(PLAIN)
        for pattern, change in [
            ("'env'", {"env": {"A": "b"}}),
            ("'environment'", {"environment": "/usr"}),
            ("nowhere-on-earth", {"dependencies": ["nowhere-on-earth"]}),
            (r"pip .* is installed here", {"dependencies": ["pip>=1000"]}),
            ("no requirement", {"dependencies": [">=1000"]}),
            ("no singleton", {"apis": ["nothing"]}),
            ("nowhere", {"module_path": "/nowhere"}),
        ]:
            with self.subTest(change=change):
                config = {"name": "a", "module_path": path, "isolated": False, **change}
                with self.assertRaisesRegex(pyisolate.BadConfigError, pattern):
                    manager.load_extension(config)
        self.assertEqual({}, manager.extensions)
        config = {"name": "a", "module_path": path, "isolated": False, "dependencies": ["pip>1"]}
        self.assertEqual(3, manager.load_extension(config).sync.add(1))


if __name__ == "__main__":
    unittest.main()
