# SPDX-License-Identifier: MIT
"""What the tests of hosts in Python share: a folder, extensions, and a deadline for all."""

import asyncio
import faulthandler
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import textwrap
import time
import unittest

import pyisolate

# Nothing here takes longer on the busiest machine, and nothing may hang: where it did is printed.
DEADLINE = 240
SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])


class HostTest(unittest.TestCase):
    deadline = DEADLINE

    def setUp(self):
        faulthandler.dump_traceback_later(self.deadline, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pyisolate-host-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        logging.getLogger().setLevel(logging.DEBUG)

    def write(self, source, name="sample"):
        """An extension with this __init__.py; its path."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "__init__.py").write_text(textwrap.dedent(source))
        return folder

    def make_manager(self, **config):
        manager = pyisolate.ExtensionManager(
            pyisolate.ExtensionBase,
            pyisolate.ExtensionManagerConfig(venv_root_path=str(self.folder / "venvs"), **config),
        )
        self.addCleanup(manager.stop_all_extensions)
        return manager

    def load(self, manager, source, name="sample", **config):
        return manager.load_extension(
            pyisolate.ExtensionConfig(name=name, module_path=self.write(source, name), **config)
        )

    def run_async(self, coroutine, debug=None):
        """asyncio.run() with a deadline; an exception in a callback is a failure."""
        failures = []

        async def guarded():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: failures.append(context))
            return await asyncio.wait_for(coroutine, self.deadline * 3 / 4)

        result = asyncio.run(guarded(), debug=debug)
        self.assertEqual([], failures)
        return result


def wait_until(condition):
    """For what other threads and processes do on their own, a moment later."""
    end = time.monotonic() + DEADLINE / 2
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("did not happen")
        time.sleep(0.01)


def run_program(path, *arguments, cwd=None, env=(), wrapper=()):
    import subprocess

    return subprocess.run(
        [*wrapper, sys.executable, str(path), *arguments],
        cwd=cwd,
        env={**os.environ, **dict(env)},
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
    )
