# SPDX-License-Identifier: MIT
"""Hosts that end: at any moment, in a call, without a word to their extensions."""

import os
import random
import signal
import time
import unittest

from host_programs import EXTENSION, ProgramTest

# What a host does whom Ctrl-C may hit anywhere. It has begun once asyncio made its loop: where
# Ctrl-C hits that, asyncio itself closes half a loop and complains.
BUSY = """
import asyncio, multiprocessing, sys
import pyisolate

path, root, how = sys.argv[1:]


class Counter(pyisolate.ProxiedSingleton):
    def __init__(self):
        self.count = 0

    def step(self):
        self.count += 1


async def main():
    print("begun", flush=True)
    async with pyisolate.ExtensionManager(None, {"venv_root_path": root}) as manager:
        exts = [
            manager.load_extension({"name": f"e{n}", "module_path": path, "apis": [Counter]})
            for n in range(3)
        ]
        print("loaded", flush=True)
        while True:
            await asyncio.gather(*(ext.add(n) for n in range(20) for ext in exts))
            if how == "sync in a loop":
                exts[0].sync.add(1)
                exts[1].sync.block(0.01)


def main_sync():
    print("begun", flush=True)
    with pyisolate.ExtensionManager(None, {"venv_root_path": root}) as manager:
        exts = [
            manager.load_extension({"name": f"e{n}", "module_path": path, "apis": [Counter]})
            for n in range(3)
        ]
        print("loaded", flush=True)
        while True:
            for ext in exts:
                ext.sync.add(1)
                ext.sync.block(0.01)


def main_glib():
    import pyisolate.glib
    from gi.repository import GLib

    pyisolate.glib.start(main())
    GLib.MainLoop().run()


{"sync": main_sync, "glib": main_glib}.get(how, lambda: asyncio.run(main()))()
"""

LOOSE = """
import asyncio, gc, sys
import pyisolate

path, root, how = sys.argv[1:]


def make():
    manager = pyisolate.ExtensionManager(None, {"venv_root_path": root})
    return manager.load_extension({"name": "sample", "module_path": path})


async def use(ext):
    await ext
    return [asyncio.ensure_future(ext.wait()) for _ in range(50)]


def close_the_loop():
    ext = make()
    loop = asyncio.new_event_loop()
    tasks = loop.run_until_complete(use(ext))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    for task in tasks:
        task._log_destroy_pending = False  # asyncio's own word for it
    print(asyncio.run(ext.echo("a second loop")), flush=True)
    print(ext.sync.echo("and none"), flush=True)


def drop_everything():
    ext = make()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use(ext))[0]._log_destroy_pending = False


def exit_in_a_call():
    async def main():
        ext = make()
        tasks = await use(ext)
        await asyncio.sleep(0)
        sys.exit(3)

    asyncio.run(main())


def exit_in_a_thread():
    import threading

    ext = make()
    threading.Thread(target=lambda: ext.sync.wait(), daemon=True).start()
    ext.sync.add(1)


globals()[how.replace(" ", "_")]()
"""

# A handler that was registered before the first manager was made comes after what ends the
# library; a module's objects are dropped when all threads stand still.
ENDS = """
import atexit
import sys


def tell(name, function):
    try:
        function()
        print(name, "done", flush=True)
    except (RuntimeError, ConnectionError):  # it is not running, or has just ended
        print(name, "refused", flush=True)


def stop(ext, manager):
    tell("ping", ext.ping)
    tell("stop", ext.stop)
    tell("stop all", manager.stop_all_extensions)


class Last:
    def __init__(self, *objects):
        self.objects = objects

    def __del__(self):
        ext, manager = self.objects
        tell("call", lambda: ext.sync.add(1))
        stop(ext, manager)


path, root, isolated, how = sys.argv[1:]
if how == "handler":
    atexit.register(lambda: stop(ext, manager))
import pyisolate

config = {"name": "sample", "module_path": path, "isolated": isolated == "True"}
manager = pyisolate.ExtensionManager(None, {"venv_root_path": root})
ext = manager.load_extension(config)
print("add", ext.sync.add(1), flush=True)
if how == "object":
    last = Last(ext, manager)
"""

ENDS_SAY = {
    "handler": "add 3\nping refused\nstop done\nstop all done\n",
    "object": "add 3\ncall refused\nping refused\nstop done\nstop all done\n",
}

# The thread of ask_unasked() is a part of no call. The handler comes before what ends the
# library, and after what lets no pool begin anything.
ASKED = """
import atexit
import sys

import pyisolate


class Host(pyisolate.ProxiedSingleton):
    def take(self, value):
        return value


path, root = sys.argv[1:]
config = {"name": "sample", "module_path": path, "apis": [Host]}
manager = pyisolate.ExtensionManager(None, {"venv_root_path": root})
ext = manager.load_extension(config)
ext.register_event_handler("told", print)
print(ext.sync.ask_unasked("asked"), flush=True)
atexit.register(lambda: print(ext.sync.ask_unasked("ended"), flush=True))
"""


class Ends(ProgramTest):
    def test_stopped_when_python_ends(self):
        """However late, it neither waits for ever nor fails."""
        path = self.write(EXTENSION)
        for isolated in (True, False):
            for how, said in ENDS_SAY.items():
                with self.subTest(isolated=isolated, how=how):
                    process = self.start(ENDS, path, self.folder / "venvs", isolated, how)
                    out, err = self.finish(process)
                    self.assertEqual((said, "", 0), (out, err, process.returncode))

    def test_asked_when_python_ends(self):
        """What an extension asks for and tells then is not begun, and nobody complains."""
        process = self.start(ASKED, self.write(EXTENSION), self.folder / "venvs")
        out, err = self.finish(process)
        said = "asked\nended: Python is ending in the host\n"
        self.assertEqual((said, "", 0), (out, err, process.returncode))

    def test_interrupted_at_any_moment(self):
        path = self.write(EXTENSION)
        rounds = int(os.environ.get("PYISOLATE_TEST_ROUNDS", "12"))
        seed = int(os.environ.get("PYISOLATE_TEST_SEED", random.randrange(10**6)))
        print(f"# seed {seed}")
        chance = random.Random(seed)
        venvs = self.folder / "venvs"
        for number in range(rounds):
            how = ["async", "sync in a loop", "sync", "glib"][number % 4]
            process = self.start(BUSY, path, venvs, how)
            self.assertEqual("begun\n", process.stdout.readline())
            if chance.random() < 0.6:
                self.assertEqual("loaded\n", process.stdout.readline())
            delay = chance.random() * 0.4
            time.sleep(delay)
            # As a terminal does it: to all that are in the foreground.
            os.killpg(process.pid, signal.SIGINT)
            _, err = self.finish(process)
            told = f"round {number} ({how}, {delay:.3f} s, seed {seed}):\n{err}"
            self.assertEqual(-signal.SIGINT, process.returncode, told)
            self.assertEqual(1, err.count("\nKeyboardInterrupt"), told)
            self.assertLessEqual(err.count("Traceback"), 3, told)
            for word in ("Exception ignored", "Fatal", "CRITICAL", "never retrieved", "pending!"):
                self.assertNotIn(word, err, told)

    def check_loose(self, how, returncode=0):
        process = self.start(LOOSE, self.write(EXTENSION), self.folder / "venvs", how)
        out, err = self.finish(process)
        self.assertEqual("", err)
        self.assertEqual(returncode, process.returncode)
        return out

    def test_loop_is_closed_under_calls(self):
        self.assertEqual("a second loop\nand none\n", self.check_loose("close the loop"))

    def test_everything_is_dropped(self):
        self.check_loose("drop everything")

    def test_exit_in_a_call(self):
        self.check_loose("exit in a call", 3)

    def test_exit_in_a_thread(self):
        self.check_loose("exit in a thread")


if __name__ == "__main__":
    unittest.main()
