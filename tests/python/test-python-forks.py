# SPDX-License-Identifier: MIT
"""Hosts that fork: what a child may do, and that its parent goes on."""

import unittest

from host_programs import EXTENSION, ProgramTest

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
    yield lambda: ext.kill()
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


class Forks(ProgramTest):
    def test_forks(self):
        process = self.start(FORKS, self.write(EXTENSION), self.folder / "venvs")
        out, err = self.finish(process)
        self.assertEqual("", err)
        lines = out.splitlines()
        self.assertEqual("b", lines[0])
        self.assertEqual([str([True] * 6)] * 8, lines[1:9])
        self.assertEqual("parent goes on", lines[9])

    def test_forked_children_end(self):
        """What they drop, or would answer, is their parent's."""
        process = self.start(FORKS_THAT_END, self.write(EXTENSION), self.folder / "venvs")
        out, err = self.finish(process)
        self.assertEqual(2, err.count("ValueError: in the child"), err)
        self.assertNotIn("Fatal", err)
        self.assertEqual(FORKS_THAT_END_SAY, out.splitlines(), err)
        self.assertEqual(0, process.returncode, err)


if __name__ == "__main__":
    unittest.main()
