# SPDX-License-Identifier: MIT
"""Extensions with isolated=False: the same calls, in the host's own process."""

import asyncio
import contextvars
import dataclasses
import gc
import os
import shutil
import sys
import threading
import unittest
import weakref

import pyisolate
import shared_api
from host_helper import DEADLINE, HostTest, wait_until
from shared_api import HostAPI

MIXED = '''
import asyncio
import os
import threading

import pyisolate
import shared_api
from pyisolate import ExtensionBase
from shared_api import HostAPI

from . import helper


class OwnError(Exception):
    pass


class Sample(ExtensionBase):
    """What the host calls."""

    def before_module_loaded(self):
        self.hooks = ["before"]

    async def on_module_loaded(self, module):
        self.hooks.append(module.__name__)
        self.loop = asyncio.get_running_loop()

    async def stop(self):
        if HostAPI().sync.get("tell of the end"):
            await HostAPI().set("stopped", True)

    async def echo(self, *args, **kwargs):
        """Give it back."""
        return kwargs if kwargs else args[0] if len(args) == 1 else args

    def block(self, gate):
        gate.wait()
        return threading.current_thread().name

    @pyisolate.inline
    def inline(self):
        return threading.current_thread().name

    @pyisolate.threaded
    def threaded(self):
        return threading.current_thread().name

    async def where(self):
        same = asyncio.get_running_loop() is self.loop
        return [os.getpid(), threading.current_thread().name, same]

    def hook_names(self):
        return self.hooks

    async def sleep(self):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await HostAPI().set("cancelled", True)
            raise

    def fail(self, name, *args):
        import builtins

        raise getattr(builtins, name)(*args)

    async def fail_own(self):
        try:
            {}["inner"]
        except KeyError as error:
            raise OwnError("outer", 7) from error

    def generate(self):
        yield 1

    async def get(self, key):
        return await HostAPI().get(key)

    def get_sync(self, key):
        return HostAPI().sync.get(key)

    async def get_by_name(self, key):
        return await pyisolate.singleton("HostAPI").get(key)

    async def get_by_module(self, key):
        return await shared_api.HostAPI().get(key)

    async def get_in_submodule(self, key):
        return await helper.get(key)

    async def host_where(self):
        return await HostAPI().where()

    def host_where_sync(self):
        return HostAPI().sync.where()

    async def caller(self):
        return await HostAPI().caller()

    async def nested(self):
        return [await HostAPI().nested.ping(), HostAPI() is HostAPI()]

    async def fail_in_host(self, what):
        try:
            await HostAPI().fail(what)
        except Exception as error:
            return [type(error).__module__, type(error).__name__]

    async def missing(self):
        return await HostAPI().gett("a")

    async def down(self, name, depth):
        return 0 if depth == 0 else 1 + await HostAPI().back(name, depth - 1)

    def down_sync(self, name, depth):
        return 0 if depth == 0 else 1 + HostAPI().sync.back_sync(name, depth - 1)

    async def down_wrong(self, name):
        return HostAPI().sync.back(name, 1)

    def local(self):
        return HostAPI().local()

    def tell(self, value):
        self.emit_event("told", value)
        pyisolate.emit_event("told", pyisolate.extension_name)

    def run_a_loop(self):
        return asyncio.run(asyncio.sleep(0, "ran"))

    def in_a_thread(self, key):
        found = []
        thread = threading.Thread(target=lambda: found.append(HostAPI().sync.get(key)))
        thread.start()
        thread.join()
        return found
'''

HELPER = """
from shared_api import *


async def get(key):
    return await HostAPI().get(key)
"""

WRITER = """
import dataclasses


def write(*args, **kwargs):
    for value in [*args, *kwargs.values()]:
        write_one(value)


def write_one(value):
    if isinstance(value, dict):
        write(*value.values())
    elif isinstance(value, (list, tuple)):
        write(*value)
    elif dataclasses.is_dataclass(value):
        write_one(value.data)
    elif hasattr(value, "fill_"):
        value.fill_(7)
    elif isinstance(value, bytearray):
        value[0] = 7
    else:
        view = memoryview(value)
        if not view.readonly:
            view[0] = 7


def look(value):
    return [type(value).__name__, memoryview(value).readonly]


def give(value):
    return value
"""


@dataclasses.dataclass(frozen=True)
class Holder:
    data: object


PLAIN = '''
import threading


def add(a, b=2):
    """Add."""
    return a + b


def where():
    return threading.current_thread().name
'''


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


class Local(HostTest):
    def setUp(self):
        super().setUp()
        scope = pyisolate.singleton_scope(fresh=True)
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def load_mixed(self, manager, name="sample", **config):
        path = self.write(MIXED, name)
        (path / "helper.py").write_text(HELPER)
        return manager.load_extension(
            {"name": name, "module_path": path, "isolated": False, "apis": [HostAPI], **config}
        )

    def with_mixed(self, function, **config):
        async def main():
            async with self.make_manager() as manager:
                return await function(self.load_mixed(manager, **config))

        return self.run_async(main())

    def test_calls(self):
        thing = object()

        async def main(ext):
            self.assertEqual("new", ext.state)
            self.assertIs(thing, await ext.echo(thing))
            self.assertEqual({"a": 1}, await ext.echo(a=1))
            self.assertEqual("running", ext.state)
            self.assertEqual(os.getpid(), ext.pid)
            self.assertEqual([os.getpid(), "pyisolate-sample", True], await ext.where())
            self.assertEqual(["before", "sample"], await ext.hook_names())
            self.assertEqual(3, await ext.api.echo(3))
            self.assertEqual(4, ext.sync.echo(4))
            self.assertEqual("ran", await ext.run_a_loop())
            self.assertIn("echo", dir(ext))
            self.assertEqual("Give it back.", ext.echo.__doc__)
            with self.assertRaisesRegex(AttributeError, "perhaps 'echo'"):
                _ = ext.ecko
            with self.assertRaises(pyisolate.NoSuchMethodError):
                await ext._manager.extensions["sample"]._call("nothing", (), {}, -2)
            with self.assertRaisesRegex(TypeError, "generator"):
                await ext.generate()
            with self.assertRaisesRegex(TypeError, "positional argument"):
                await ext.fail()
            answers = await asyncio.gather(*(ext.echo(n) for n in range(500)))
            self.assertEqual(list(range(500)), answers)

        self.with_mixed(main)

    def test_threads(self):
        async def main(ext):
            gate = threading.Event()
            started = asyncio.ensure_future(ext.block(gate))
            self.assertEqual(1, await ext.echo(1))
            self.assertFalse(started.done())
            gate.set()
            self.assertEqual("pyisolate-sample-second", await started)
            self.assertEqual("pyisolate-sample", await ext.inline())
            self.assertNotIn("pyisolate-sample", await ext.threaded())
            runs_on = {method.name: method.runs_on for method in ext.methods}
            wanted = {"echo": "main", "block": "second", "inline": "main", "threaded": "pool"}
            self.assertEqual(wanted, {name: runs_on[name] for name in wanted})

        self.with_mixed(main)

    def test_plain(self):
        ext = self.load(self.make_manager(), PLAIN, isolated=False)
        self.assertEqual(3, ext.sync.add(1))
        self.assertEqual("pyisolate-sample", ext.sync.where())
        self.assertEqual("(a, b=2)", ext.methods[0].signature)

    def test_read_only(self):
        """The same as in a worker: what can be written to is another than the host's."""
        manager = self.make_manager()
        here = self.load(manager, WRITER, "here", isolated=False)
        there = self.load(manager, WRITER, "there")
        pyisolate.register_type(Holder, "Holder")

        def make():
            tensor = pyisolate.zeros(4, "uint8")
            shared = pyisolate.share(pyisolate.zeros(4, "uint8"), readonly=True)
            view = memoryview(bytearray(4))
            return [tensor, shared, bytearray(4), view, memoryview(bytes(4))]

        for value in make():
            there_too = there.options(readonly=True).sync.look(value)
            self.assertEqual(there_too, here.options(readonly=True).sync.look(value))
        values = make()
        nested = {"key": (values[0], [Holder(values[2])]), "view": values[3]}
        here.options(readonly=True).sync.write(*values, nested, more=nested)
        self.assertEqual([bytes(4)] * 5, [bytes(value) for value in values])
        here.sync.write(*values)
        self.assertEqual([7, 0, 7, 7, 0], [bytes(value)[0] for value in values])

        async def main():
            values = make()
            await here.options(readonly=True).write(*values, nested)
            self.assertEqual([bytes(4)] * 5, [bytes(value) for value in values])

        self.run_async(main())

    def test_read_only_layouts(self):
        give = (
            self.load(self.make_manager(), WRITER, isolated=False).options(readonly=True).sync.give
        )
        shared = pyisolate.share(pyisolate.zeros(4, "uint8"), readonly=True)
        self.assertIs(shared, give(shared))
        for view in (
            memoryview(bytes(range(12))).cast("B", (3, 4)),
            memoryview(bytearray(16)).cast("d"),
            memoryview(bytearray(range(10)))[::2],
        ):
            got = give(view)
            self.assertEqual((view, view.format, view.readonly), (got, got.format, got.readonly))
        thing = object()
        cycle = [thing, bytearray(1)]
        cycle += [cycle, cycle[1]]
        got = give(cycle)
        self.assertIs(got, got[2])
        self.assertIs(thing, got[0])
        self.assertIs(got[1], got[3])
        self.assertIsNot(cycle[1], got[1])

    def test_exceptions(self):
        async def main(ext):
            with self.assertRaises(KeyError) as caught:
                await ext.fail("KeyError", "k")
            self.assertEqual(("k",), caught.exception.args)
            with self.assertRaises(Exception) as caught:
                await ext.fail_own()
            self.assertEqual("OwnError", type(caught.exception).__name__)
            self.assertIsInstance(caught.exception.__cause__, KeyError)
            for name in ("SystemExit", "KeyboardInterrupt"):
                with self.assertRaises(pyisolate.RemoteError) as caught:
                    await ext.fail(name, 3)
                self.assertEqual(name, type(caught.exception).__name__)

        self.with_mixed(main)

    def test_cancelling(self):
        async def main(ext):
            await ext
            # On a busy machine the time may be over before the call has begun.
            while "cancelled" not in HostAPI().data:
                with self.assertRaises(pyisolate.CallTimeoutError):
                    await ext.options(timeout=0.05).sleep()
                await ext.echo(1)
            task = asyncio.ensure_future(ext.sleep())
            await asyncio.sleep(0)
            await ext.echo(1)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await ext.echo(1)
            with self.assertRaises(pyisolate.CallTimeoutError):
                ext.options(timeout=0.05).sync.sleep()

        self.with_mixed(main)

    def test_singletons(self):
        async def main(ext):
            HostAPI().data["a"] = 5
            self.assertEqual(5, await ext.get("a"))
            self.assertEqual(5, await ext.get_sync("a"))
            self.assertEqual(5, await ext.get_by_name("a"))
            self.assertEqual(5, await ext.get_by_module("a"))
            self.assertEqual(5, await ext.get_in_submodule("a"))
            self.assertEqual([5], await ext.in_a_thread("a"))
            self.assertEqual("sample", await ext.caller())
            self.assertEqual(["inner", True], await ext.nested())
            self.assertEqual(["builtins", "KeyError"], await ext.fail_in_host("k"))
            self.assertEqual(["shared_api", "OwnError"], await ext.fail_in_host("own"))
            self.assertEqual(os.getpid(), await ext.local())
            with self.assertRaisesRegex(AttributeError, "no method 'gett'"):
                await ext.missing()
            self.assertEqual({"a": 5}, HostAPI().data)

        self.with_mixed(main)

    def test_loop_and_context_of_the_call(self):
        manager = self.make_manager()
        ext = self.load_mixed(manager)

        async def ask(name):
            shared_api.request.set(name)
            here = [name, threading.get_ident(), id(asyncio.get_running_loop())]
            self.assertEqual(here, await ext.host_where())
            self.assertEqual(here, await ext.host_where_sync())

        async def all_of_them():
            await asyncio.gather(*(ask(f"request {n}") for n in range(20)))

        self.run_async(all_of_them())
        self.run_async(all_of_them())
        context = contextvars.copy_context()
        context.run(shared_api.request.set, "mine")
        mine = context.run(ext.sync.host_where)
        self.assertEqual(["mine", threading.get_ident()], mine[:2])

        async def stop():
            await manager.stop_all_extensions()

        self.run_async(stop())

    def test_nested_calls(self):
        async def main(ext):
            self.assertEqual(10, await ext.down("sample", 10))
            self.assertEqual(10, await ext.down_sync("sample", 10))
            with self.assertRaisesRegex(RuntimeError, r"waits for it in a \.sync call"):
                await ext.down_wrong("sample")

        self.with_mixed(main)

    def test_between_both_kinds(self):
        """A chain of calls through this process's extension and one in a process of its own."""

        async def main():
            async with self.make_manager() as manager:
                one = self.load_mixed(manager, "one")
                path = self.write(MIXED, "two")
                (path / "helper.py").write_text(HELPER)
                two = manager.load_extension(
                    {"name": "two", "module_path": path, "apis": [HostAPI]}
                )
                HostAPI().turns = [one, two] * 3
                self.assertEqual(["one", "two"] * 3, await one.echo(await HostAPI().visit()))
                self.assertEqual(4, await two.down_sync("one", 4))

        self.run_async(main())

    def test_events(self):
        async def main(ext):
            told = []
            both = asyncio.Event()

            def on_told(value):
                told.append(value)
                if len(told) == 2:
                    both.set()

            ext.register_event_handler("told", on_told)
            thing = object()
            await ext.tell(thing)
            await both.wait()
            self.assertIs(thing, told[0])
            self.assertEqual("sample", told[1])

        self.with_mixed(main)

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

    def test_telling(self):
        """What is told, and what cannot be, is the same as in a worker."""
        source = """
            import pyisolate

            def tell(fractions):
                for fraction in fractions:
                    pyisolate.progress(fraction, "text")
                raised = []
                for function, *args in (
                    (pyisolate.progress, "0.5"),
                    (pyisolate.progress, 0.5, 5),
                    (pyisolate.emit_event, 5),
                ):
                    try:
                        function(*args)
                    except TypeError:
                        raised.append(args)
                return raised
        """
        fractions = [0.5, 5, -1, float("nan"), True]
        for name, isolated in (("own", True), ("here", False)):
            ext = self.load(self.make_manager(), source, name, isolated=isolated)
            told = []
            calls = ext.options(on_progress=lambda fraction, text, told=told: told.append(fraction))
            self.assertEqual([["0.5"], [0.5, 5], [5]], calls.sync.tell(fractions))
            self.assertEqual([0.5, 1, 0, 0, 1], told)

    def test_tuples_of_singletons(self):
        """A value that C could take for its arguments."""

        async def main():
            ext = self.load_mixed(self.make_manager())
            for value in ((), ("one",), (1, (2,)), None):
                HostAPI().data["key"] = value
                self.assertEqual(value, await ext.get("key"))
                self.assertEqual(value, await ext.get_sync("key"))

        self.run_async(main())

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

    def test_modules_without_a_file(self):
        """That of a singleton needs none; a module of somebody else's that wants it fails."""
        names = {"ping": lambda self: "pong", "__module__": "nowhere.api"}
        api = type("API", (pyisolate.ProxiedSingleton,), names)
        (self.folder / "wants_nowhere.py").write_text("from nowhere.api import API\n")
        self.addCleanup(sys.path.remove, str(self.folder))
        source = """
            import nowhere.api
            from nowhere.api import API


            def ping():
                return [API().sync.ping(), nowhere.api.API is API]


            def import_other():
                import wants_nowhere
        """
        ext = self.load(
            self.make_manager(), source, isolated=False, apis=[api], source_paths=[self.folder]
        )
        self.assertEqual(["pong", True], ext.sync.ping())
        with self.assertRaisesRegex(ModuleNotFoundError, "nowhere"):
            ext.sync.import_other()

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
