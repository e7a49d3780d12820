# SPDX-License-Identifier: MIT
"""Hosts that do what they should not: clear errors, no hang, no storm, no process left behind."""

import asyncio
import ctypes
import functools
import gc
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import unittest

import pyisolate
from host_helper import DEADLINE, HostTest, wait_until

EXTENSION = """
import asyncio
import pyisolate


def add(a, b=2):
    return a + b


def block(seconds):
    import time

    time.sleep(seconds)


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


async def ask(method, value):
    return await getattr(pyisolate.singleton("Host"), method)(value)


def ask_sync(method, value):
    return getattr(pyisolate.singleton("Host").sync, method)(value)


class Shared:
    pass
"""

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

FORKS = """
import asyncio, multiprocessing, os, sys, time
import pyisolate

path, root = sys.argv[1:]
manager = pyisolate.ExtensionManager(None, {"venv_root_path": root})
ext = manager.load_extension({"name": "sample", "module_path": path})
ext.sync.add(1)


def attempts():
    yield lambda: ext.sync.add(1)
    yield lambda: asyncio.run(ext.echo(1))
    yield lambda: ext.stop()
    yield lambda: manager.load_extension({"name": "b", "module_path": path}).sync.add(1)
    yield lambda: pyisolate.ExtensionManager(None, {"venv_root_path": root})


def in_child(queue):
    global manager, ext
    said = []
    for attempt in attempts():
        try:
            attempt()
            said.append("done")
        except RuntimeError as error:
            said.append("forked" in str(error))
    queue.put(said)
    del manager, ext


async def beside():
    running = asyncio.ensure_future(ext.wait())
    await ext.echo(1)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=in_child, args=(queue,)) for _ in range(8)]
    for child in children:
        child.start()
    loop = asyncio.get_running_loop()
    for child in children:
        print(await loop.run_in_executor(None, queue.get))
    for child in children:
        await loop.run_in_executor(None, child.join)
        assert child.exitcode == 0
    running.cancel()
    return await ext.echo("parent goes on")


if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:  # forks too, before the loop is there
        print(pool.apply(os.path.basename, ("/a/b",)))
    print(asyncio.run(beside()))
    manager.stop_all_extensions()
"""

FORKS_THAT_END = """
import asyncio, gc, multiprocessing, os, sys, threading
import pyisolate

path, root = sys.argv[1:]
sys.stdout.reconfigure(line_buffering=True)  # a child says nothing twice


class Host(pyisolate.ProxiedSingleton):
    def fork(self, how):
        return fork(lambda: ends[how]())

    async def fork_async(self, how):
        return self.fork(how)


def fail():
    raise ValueError("in the child")


# What the child does in the end; None: it comes back from where it was forked.
ends = {"exit": lambda: sys.exit(5), "fail": fail, "return": lambda: None}


def fork(end):
    pid = os.fork()
    if pid == 0:
        gc.collect()
        return end()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def leave():
    global manager, ext
    del manager, ext
    gc.collect()
    sys.exit(5)


async def in_loop():
    running = [asyncio.ensure_future(call) for call in (ext.wait(), ext.ask("fork_async", "exit"))]
    print("pending", fork(leave), await running[1])
    running[0].cancel()
    for how in ends:
        print("coroutine", how, await ext.ask("fork_async", how))


def beside_thread():
    called, go = threading.Event(), threading.Event()

    def call():
        ext.sync.add(1)
        called.set()
        go.wait()
        print("thread goes on", ext.sync.add(1))

    thread = threading.Thread(target=call)
    thread.start()
    called.wait()
    print("thread", fork(leave))
    go.set()
    thread.join()


manager = pyisolate.ExtensionManager(None, {"venv_root_path": root})
ext = manager.load_extension({"name": "sample", "module_path": path, "apis": [Host]})
beside_thread()
print("sync", fork(leave))
child = multiprocessing.get_context("fork").Process(target=leave)
child.start()
child.join()
print("multiprocessing", child.exitcode)
for how in ends:
    print("method", how, ext.sync.ask_sync("fork", how))
asyncio.run(in_loop())
print("after a loop", fork(leave))
print("parent goes on", ext.sync.add(1))
manager.stop_all_extensions()
"""

FORKS_THAT_END_SAY = [
    "thread 5",
    "thread goes on 3",
    "sync 5",
    "multiprocessing 5",
    "method exit 5",
    "method fail 1",
    "method return 0",
    "pending 5 5",
    "coroutine exit 5",
    "coroutine fail 1",
    "coroutine return 0",
    "after a loop 5",
    "parent goes on 3",
]


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


def adopt_orphans():
    """What a host leaves behind becomes a child of this process."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children():
    return pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


class Hosts(HostTest):
    """Programs, and what is left of them."""

    @classmethod
    def setUpClass(cls):
        adopt_orphans()

    def start(self, program, *arguments):
        path = self.folder / "host.py"
        path.write_text(program)
        arguments = [str(word) for word in arguments]
        return subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process):
        out, err = process.communicate(timeout=DEADLINE / 2)
        self.no_child_is_left(err)
        return out, err

    def no_child_is_left(self, context=""):
        end = time.monotonic() + DEADLINE / 4
        while True:
            try:
                found, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if found == 0:
                if time.monotonic() > end:
                    names = [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in children()]
                    self.fail(f"left behind: {names} {context}")
                time.sleep(0.01)  # nothing tells of another process's children but waiting

    def test_stopped_when_python_ends(self):
        """However late, it neither waits for ever nor fails."""
        path = self.write(EXTENSION)
        for isolated in (True, False):
            for how, said in ENDS_SAY.items():
                with self.subTest(isolated=isolated, how=how):
                    process = self.start(ENDS, path, self.folder / "venvs", isolated, how)
                    out, err = self.finish(process)
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

    def test_forks(self):
        process = self.start(FORKS, self.write(EXTENSION), self.folder / "venvs")
        out, err = self.finish(process)
        self.assertEqual("", err)
        lines = out.splitlines()
        self.assertEqual("b", lines[0])
        self.assertEqual(["[True, True, True, True, True]"] * 8, lines[1:9])
        self.assertEqual("parent goes on", lines[9])

    def test_forked_children_end(self):
        """What they drop, or would answer, is their parent's."""
        process = self.start(FORKS_THAT_END, self.write(EXTENSION), self.folder / "venvs")
        out, err = self.finish(process)
        self.assertEqual(2, err.count("ValueError: in the child"), err)
        self.assertNotIn("Fatal", err)
        self.assertEqual(FORKS_THAT_END_SAY, out.splitlines(), err)
        self.assertEqual(0, process.returncode, err)


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
