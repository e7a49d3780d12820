# SPDX-License-Identifier: MIT
"""What extensions call of the host's: where it runs, and what comes of it."""

import asyncio
import contextvars
import gc
import logging
import os
import pathlib
import threading
import unittest
import weakref

import pyisolate
import shared_api
from host_helper import DEADLINE, HostTest, run_program
from pyisolate import _bridge
from shared_api import HostAPI, Inner

EXTENSION = '''
import threading

import pyisolate
import shared_api
from shared_api import HostAPI, Inner


async def get(key):
    return await HostAPI().get(key)


def get_sync(key):
    return HostAPI().sync.get(key)


async def set(key, value):
    await HostAPI().set(key, value)


async def where():
    return await HostAPI().where()


async def where_def():
    return await HostAPI().where_def()


async def caller():
    return await HostAPI().caller()


async def nested():
    return [await HostAPI().nested.ping(), await Inner().ping(), HostAPI() is HostAPI()]


async def fail(what):
    try:
        await HostAPI().fail(what)
    except Exception as error:
        name = "" if error.__traceback__ is None else "in fail"
        remote = "in fail" in (error.remote_traceback or "")
        is_remote = isinstance(error, pyisolate.RemoteError)
        return [type(error).__name__, list(error.args), remote, is_remote]


async def first(items):
    return await HostAPI().first(items)


async def bad():
    await HostAPI().bad()


async def private():
    return await HostAPI()._private()


async def missing():
    return await HostAPI().gett("a")


def import_other():
    from shared_api import OwnError


def file_of():
    return getattr(shared_api, "__file__", None)


async def down(name, depth):
    return 0 if depth == 0 else 1 + await HostAPI().back(name, depth - 1)


async def sink(name, depth, cause):
    if depth == 0:
        raise ValueError("bottom")
    try:
        return await HostAPI().sink(name, depth - 1, cause)
    except Exception as error:
        if cause:
            raise RuntimeError("further up") from error
        raise


async def wait():
    await HostAPI().wait()


def unasked(key):
    """From a thread that no call led to."""
    result = []

    def run():
        try:
            result.append(HostAPI().sync.get(key))
        except BaseException as error:
            result.append(f"{type(error).__name__}: {error}")
        print(result[0])
        pyisolate.emit_event("unasked", result[0])

    threading.Thread(target=run).start()


def local():
    return HostAPI().local()
'''


MAIN = """
import asyncio, sys
import pyisolate

print("the main module runs")


class Table(pyisolate.ProxiedSingleton):
    def look_up(self, key):
        return f"value of {key}"


async def main():
    async with pyisolate.ExtensionManager(None, {"venv_root_path": "./venvs"}) as manager:
        ext = manager.load_extension({"name": "a", "module_path": sys.argv[1], "apis": [Table]})
        print(await ext.look_up("k"))


asyncio.run(main())
"""

OF_MAIN = """
import pyisolate


async def look_up(key):
    try:
        from __main__ import Table
    except ImportError:
        return await pyisolate.singleton("Table").look_up(key)
"""


class Singletons(HostTest):
    def setUp(self):
        super().setUp()
        scope = pyisolate.singleton_scope(fresh=True)
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def load_with(self, manager, name="sample", **config):
        return self.load(manager, EXTENSION, name, apis=[HostAPI], **config)

    def with_extension(self, function, **config):
        async def main():
            async with self.make_manager() as manager:
                return await function(self.load_with(manager, **config))

        return self.run_async(main())

    def test_shared_state(self):
        async def main():
            async with self.make_manager() as manager:
                one = self.load_with(manager, "one")
                two = self.load_with(manager, "two")
                await one.set("key", (1, 2))
                self.assertEqual((1, 2), await two.get("key"))
                self.assertEqual((1, 2), await two.get_sync("key"))
                self.assertEqual({"key": (1, 2)}, HostAPI().data)
                self.assertIs(HostAPI(), HostAPI())
                self.assertEqual(["one", "two"], [await one.caller(), await two.caller()])
                self.assertIsNone(pyisolate.current_caller())

        self.run_async(main())

    def test_nested(self):
        async def main(ext):
            self.assertEqual(["inner", "inner", True], await ext.nested())

        self.with_extension(main)

    def test_loop_and_context_of_the_call(self):
        manager = self.make_manager()
        ext = self.load_with(manager)

        async def ask(name):
            shared_api.request.set(name)
            here = [name, threading.get_ident(), id(asyncio.get_running_loop())]
            self.assertEqual(here, await ext.where())
            self.assertEqual(here[:2], await ext.where_def())

        async def both():
            await asyncio.gather(*(ask(f"request {n}") for n in range(20)))

        self.run_async(both())
        self.run_async(both())
        failures = []

        def run():
            try:
                asyncio.run(both())
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)

    def test_exceptions(self):
        async def main(ext):
            self.assertEqual(["KeyError", ["k"], True, False], await ext.fail("k"))
            self.assertEqual(["OwnError", ["own", 1], True, True], await ext.fail("own"))
            with self.assertRaisesRegex(TypeError, "'object'"):
                await ext.bad()
            with self.assertRaises(AttributeError):
                await ext.private()
            with self.assertRaisesRegex(AttributeError, "perhaps 'get'"):
                await ext.missing()

        self.with_extension(main)

    def test_stop_iteration(self):
        """It is no result, however a Python awaits; as where it leaves a coroutine."""

        async def main():
            async with self.make_manager() as manager:
                for n, python in enumerate(os.environ["PYISOLATE_TEST_PYTHONS"].split(":")):
                    with self.subTest(python=python):
                        ext = self.load_with(manager, f"python{n}", python=python)
                        self.assertEqual(1, await ext.first([1]))
                        with self.assertRaisesRegex(RuntimeError, "raised StopIteration") as caught:
                            await ext.first([])
                        self.assertIsInstance(caught.exception.__cause__, StopIteration)

        self.run_async(main())

    def test_nothing_of_the_host_is_imported(self):
        async def main(ext):
            self.assertIsNone(await ext.file_of())
            with self.assertRaisesRegex(ImportError, "OwnError.*shared_api.*source_paths"):
                await ext.import_other()

        self.with_extension(main)

    def test_copies(self):
        """An extension may keep a proxy in what it copies, or gives to its children."""
        source = """
            import copy
            import pickle
            import pyisolate
            from shared_api import HostAPI

            class Sample(pyisolate.ExtensionBase):
                def copies(self):
                    api = HostAPI()
                    named = pyisolate.singleton("HostAPI")
                    caller = self.create_caller(None, "an object")
                    kept = [api, api.sync, named, named.sync, caller]
                    copied = [*map(copy.copy, kept), *copy.deepcopy(kept)]
                    shown = [*map(repr, kept * 2)] == [*map(repr, copied)]
                    return [api is copied[0] is copied[5], shown]

                def pickled(self):
                    api = HostAPI()
                    kept = [api, api.sync, pyisolate.singleton("HostAPI")]
                    same, sync, named = pickle.loads(pickle.dumps(kept))
                    return [same is api, sync.get("key"), named.sync.get("key")]
        """
        HostAPI().data["key"] = "value"
        manager = self.make_manager()
        for isolated in (True, False):
            ext = self.load(manager, source, f"x{isolated}", apis=[HostAPI], isolated=isolated)
            self.assertEqual([True, True], ext.sync.copies())
            if isolated:
                self.assertEqual([True, "value", "value"], ext.sync.pickled())

    def test_children_of_an_extension(self):
        """They import its module anew, and with it what it imports of the host's."""
        source = """
            import multiprocessing
            import tempfile
            import pyisolate
            import shared_api
            from shared_api import HostAPI

            tempfile.tempdir = "/tmp"  # the name of forkserver's socket may not be long
            API = HostAPI()
            HOME = pyisolate.state_directory

            def about(_):
                try:
                    API.sync.get("key")
                except RuntimeError as error:
                    return [HOME, repr(API), hasattr(API, "get"), hasattr(API, "n"), str(error)]

            def in_child(method):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    return pool.map_async(about, [1]).get(timeout=60)[0]

            def here():
                return [HOME, repr(API), hasattr(API, "get")]
        """
        many = type(
            "Many", (pyisolate.ProxiedSingleton,), {"m" * 1000 + str(i): print for i in range(200)}
        )
        for name, apis in (("few", [HostAPI]), ("many", [HostAPI, many])):
            with pyisolate.ExtensionManager() as manager:
                ext = self.load(manager, source, name, apis=apis)
                for method in ("spawn", "forkserver"):
                    *about, error = ext.sync.in_child(method)
                    self.assertEqual(ext.sync.here()[:3], about[:3])
                    self.assertIn("no link to a host", error)

    def test_source_paths(self):
        async def main(ext):
            pid = await ext.local()
            self.assertEqual(ext.pid, pid)
            self.assertNotEqual(os.getpid(), pid)
            await ext.set("a", 1)
            self.assertEqual(1, await ext.get("a"))
            self.assertEqual(shared_api.__file__, await ext.file_of())
            await ext.import_other()

        self.with_extension(main, source_paths=[pathlib.Path(__file__).parent])

    def test_nested_calls(self):
        async def main(ext):
            self.assertEqual(10, await ext.down("sample", 10))

        self.with_extension(main)

    def test_exceptions_of_nested_calls(self):
        """Each call that one comes through adds to it once; it does not double what is there."""

        async def main(ext):
            for cause, most in ((False, 20_000), (True, 100_000)):
                with self.subTest(cause=cause), self.assertRaises(Exception) as caught:
                    await ext.sink("sample", 20, cause)
                text = caught.exception.remote_traceback
                self.assertEqual(1, text.count('raise ValueError("bottom")'))
                self.assertEqual(20, text.count("await HostAPI().sink("))
                self.assertEqual(20, text.count("await extension.sink("))
                self.assertLess(len(text), most)

        self.with_extension(main)

    def test_cancelling_goes_on(self):
        async def main(ext):
            task = asyncio.ensure_future(ext.wait())
            await HostAPI().started.wait()
            (method,) = (t for t in asyncio.all_tasks() if "HostAPI.wait" in repr(t.get_coro()))
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            with self.assertRaises(asyncio.CancelledError):
                await method
            self.assertEqual(["wait"], HostAPI().cancelled)

        self.with_extension(main)

    def test_loop_is_closed_under_a_method(self):
        """Which nobody waits for: its context and its lane go, though it is never done."""
        ext = self.load_with(self.make_manager())
        self.assertIsNone(ext.sync.get("a"))
        loop = asyncio.new_event_loop()

        async def begin():
            task = asyncio.ensure_future(ext.wait())
            await HostAPI().started.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            return weakref.ref(_bridge.current())

        async def another():
            return await ext.get("a")

        gone = loop.run_until_complete(begin())
        loop.close()
        del loop
        self.assertIsNone(asyncio.run(another()))
        self.assertIsNone(asyncio.run(another()))
        gc.collect()
        self.assertIsNone(gone())

    def test_sync_in_a_coroutine(self):
        async def main(ext):
            await ext
            HostAPI().data["a"] = 5
            self.assertEqual(5, ext.sync.get("a"))
            self.assertEqual(5, ext.sync.get_sync("a"))
            with self.assertRaisesRegex(RuntimeError, "await"):
                ext.sync.where()

        self.with_extension(main)

    def test_sync_without_a_loop(self):
        ext = self.load_with(self.make_manager())
        HostAPI().data["a"] = 5
        context = contextvars.copy_context()
        context.run(shared_api.request.set, "mine")
        self.assertEqual(5, ext.sync.get("a"))
        self.assertEqual(["mine", threading.get_ident()], context.run(ext.sync.where)[:2])

    def test_unasked(self):
        async def main(ext):
            HostAPI().data["a"] = 6
            told = asyncio.get_running_loop().create_future()
            ext.register_event_handler("unasked", told.set_result)
            await ext.unasked("a")
            self.assertEqual(6, await told)

        self.with_extension(main)

    def test_unasked_after_the_loop(self):
        manager = self.make_manager()
        ext = self.load_with(manager)

        async def first():
            await ext.get("a")

        self.run_async(first())
        answered = threading.Event()

        class Watch(logging.Handler):
            def emit(self, record):
                self.text = record.getMessage()
                answered.set()

        watch = Watch()
        logging.getLogger("sample").addHandler(watch)
        self.addCleanup(logging.getLogger("sample").removeHandler, watch)
        ext.sync.unasked("a")
        self.assertTrue(answered.wait(DEADLINE / 2))
        self.assertRegex(watch.text, "RuntimeError: get.* event loop .* is closed")

    def test_main_runs_once(self):
        """A class of the main module's is had by its name; that module is imported nowhere."""
        main = self.folder / "main.py"
        main.write_text(MAIN)
        done = run_program(main, self.write(OF_MAIN, "a"), cwd=self.folder)
        self.assertEqual("", done.stderr)
        self.assertEqual("the main module runs\nvalue of k\n", done.stdout)

    def test_scopes(self):
        before = HostAPI()
        self.assertIsNot(before, Inner())
        with pyisolate.singleton_scope():
            self.assertIs(before, HostAPI())

            class Made(pyisolate.ProxiedSingleton):
                pass

            inside = Made()
            self.assertIs(inside, Made())
        self.assertIsNot(inside, Made())
        made = Made()
        with self.assertRaises(LookupError), pyisolate.singleton_scope(fresh=True):
            self.assertIsNot(before, HostAPI())
            self.assertIsNot(made, Made())
            raise LookupError
        self.assertIs(before, HostAPI())
        self.assertIs(made, Made())


if __name__ == "__main__":
    unittest.main()
