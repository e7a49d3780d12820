# SPDX-License-Identifier: MIT
"""What a host is told while extensions are loaded: by handlers, by logs, by a bar."""

import os
import pty
import subprocess
import sys
import unittest

import pyisolate
from host_helper import HostTest, wait_until

EXTENSION = """
def add(a, b=2):
    return a + b
"""

EVERY_STAGE = ["resolving", "downloading", "installing", "starting", "ready"]

ON_TERMINAL = """
import asyncio, logging, sys
import pyisolate

path, root, what = sys.argv[1:]
config = {"venv_root_path": root}
if what == "never":
    config["show_progress"] = False
if what == "logging":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
manager = pyisolate.ExtensionManager(None, config)
if what == "handler":
    manager.on_progress(lambda progress: None)


async def main():
    await manager.load_extension({"name": "sample", "module_path": path})
    await manager.stop_all_extensions()
    await manager.load_extension({"name": "sample", "module_path": path})
    await manager.stop_all_extensions()


asyncio.run(main())
"""


class Progress(HostTest):
    def test_progress(self):
        stages = []

        async def main():
            async with self.make_manager() as manager:
                manager.on_progress(lambda progress: stages.append(progress.stage))
                await self.load(manager, EXTENSION)

        self.run_async(main())
        self.assertEqual("starting", stages[-2])
        self.assertEqual("ready", stages[-1])

    def test_progress_of_every_stage(self):
        """Each is told, also if the thread that tells it comes to it late."""
        stages = []

        async def main():
            async with self.make_manager() as manager:
                ext = self.load(manager, EXTENSION)

                def handler(progress):
                    stages.append(progress.stage)
                    wait_until(lambda: ext.state == "running")

                manager.on_progress(handler)
                await ext

        self.run_async(main())
        self.assertEqual(EVERY_STAGE, stages)

    def test_progress_of_what_fails(self):
        """Nothing is being loaded any more, whatever was told last."""
        told = []
        manager = self.make_manager()
        manager.on_progress(lambda progress: told.append(progress.overall))
        ext = self.load(manager, "1 / 0")
        with self.assertRaises(pyisolate.LoadError):
            ext.sync.anything()
        self.assertLess(told[-1], 1)
        self.assertEqual(1, manager.progress)

    def test_progress_is_logged(self):
        async def main():
            async with self.make_manager() as manager:
                await self.load(manager, EXTENSION)

        with self.assertLogs("pyisolate", "INFO") as logs:
            self.run_async(main())
        self.assertRegex(logs.output[0], "INFO:pyisolate:sample: resolving 0%")
        self.assertRegex(logs.output[-1], "INFO:pyisolate:sample: ready 100%")

    def test_progress_handler_fails(self):
        async def main():
            async with self.make_manager() as manager:
                manager.on_progress(lambda progress: 1 / 0)
                self.assertEqual(3, await self.load(manager, EXTENSION).add(1))

        with self.assertLogs("pyisolate", "ERROR") as logs:
            self.run_async(main())
        self.assertRegex(logs.output[0], "handler of progress failed\n(?s:.*)ZeroDivisionError")

    def on_a_terminal(self, config):
        """What a program that loads an extension twice writes to a terminal."""
        path = self.write(EXTENSION, config)
        main, other = pty.openpty()
        with open(main, "rb", 0) as terminal:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    ON_TERMINAL,
                    path,
                    str(self.folder / f"venvs-{config}"),
                    config,
                ],
                stdout=subprocess.DEVNULL,
                stderr=other,
            )
            os.close(other)
            written = b""
            try:
                while chunk := terminal.read(4096):
                    written += chunk
            except OSError:  # nobody has the other side any more
                pass
        self.assertEqual(0, process.wait(), written.decode())
        return written.decode()

    def test_bar(self):
        written = self.on_a_terminal("bar")
        lines = written.split("\r")
        self.assertEqual("", lines[0])
        self.assertRegex(lines[1], r"^\[\.+\] +0% sample: resolving\x1b\[K$")
        self.assertTrue(any("#" in line for line in lines), lines)
        # It is gone in the end, and the second time there was nothing to make.
        self.assertEqual(1, lines.count("\x1b[K"))
        self.assertEqual("\x1b[K", lines[-1])

    def test_no_bar(self):
        for config in ("handler", "logging", "never"):
            with self.subTest(config=config):
                self.assertNotIn("\x1b", self.on_a_terminal(config))


if __name__ == "__main__":
    unittest.main()
