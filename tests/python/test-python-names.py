# SPDX-License-Identifier: MIT
"""The names of the Python pyisolate 0.10, and that they mean the same."""

import asyncio
import unittest

import pyisolate
import shared_api
from host_helper import HostTest
from shared_api import HostAPI

EXTENSION = '''
import pyisolate
from pyisolate import ExtensionBase, ProxiedSingleton


class Thing:
    def __init__(self):
        self.count = 0

    def add(self, n):
        self.count += n
        return self.count

    async def add_later(self, n):
        return self.add(n)

    def fail(self):
        raise KeyError("k")

    def _private(self):
        return 1


class HostAPI(ProxiedSingleton):
    """Declared here, for lack of the host's file."""

    async def get(self, key): ...


class Table(ProxiedSingleton):
    async def look_up(self, key): ...


class Sample(ExtensionBase):
    def on_module_loaded(self, module):
        if LATE:
            return
        self.register_callee(Thing(), "thing")

    def register(self, object_id):
        self.register_callee(Thing(), object_id)

    def use(self, name):
        self.use_remote(globals()[name])

    def get_sync(self, key):
        return HostAPI().sync.get(key)

    def look_up(self, key):
        return Table().sync.look_up(key)

    def ask(self, object_id, name, *args):
        return getattr(self.create_caller(None, object_id).sync, name)(*args)

    def ask_typed(self, name):
        return getattr(self.create_caller(Thing, "host"), name)

    def tell(self, name, value):
        self.emit_event(name, value)
'''

ASYNC = """

    async def ask_async(self, object_id, name, *args):
        return await getattr(self.create_caller(None, object_id), name)(*args)
"""

STOPPING = """
import pyisolate


class Sample(pyisolate.ExtensionBase):
    async def nothing(self):
        pass

    async def stop(self):
        doubled = await self.create_caller(None, "host").double(4)
        pyisolate.emit_event("told", doubled)
        await pyisolate.singleton("Log").note(doubled)
"""


class Thing:
    """What the extension registers, as far as the host knows it."""

    def add(self, n): ...

    def add_later(self, n): ...

    def fail(self): ...


class OnHost:
    def double(self, n):
        return 2 * n

    async def where(self):
        return [shared_api.request.get(), pyisolate.current_caller().name]

    def fail(self):
        raise LookupError("lost")

    def _private(self):
        return 1


class Table(pyisolate.ProxiedSingleton):
    def look_up(self, key):
        return f"value of {key}"


class Log(pyisolate.ProxiedSingleton):
    def __init__(self):
        self.noted = []

    def note(self, what):
        self.noted.append((what, pyisolate.current_caller()))


class Names(HostTest):
    isolated = True

    def setUp(self):
        super().setUp()
        scope = pyisolate.singleton_scope(fresh=True)
        scope.__enter__()
        self.addCleanup(scope.__exit__, None, None, None)

    def with_extension(self, function, source=EXTENSION + ASYNC, late=False, **config):
        async def main():
            async with self.make_manager() as manager:
                text = f"LATE = {late}\n" + source
                ext = self.load(manager, text, isolated=self.isolated, **config)
                return await function(ext)

        return self.run_async(main())

    def test_objects_of_the_extension(self):
        async def main(ext):
            thing = ext.create_caller(Thing, "thing")
            self.assertEqual(2, await thing.add(2))
            self.assertEqual(5, await thing.add_later(3))
            self.assertEqual(6, thing.sync.add(n=1))
            with self.assertRaisesRegex(KeyError, "k"):
                await thing.fail()
            with self.assertRaisesRegex(AttributeError, "no method 'missing'"):
                _ = thing.missing
            untyped = ext.create_caller(None, "thing")
            with self.assertRaisesRegex(AttributeError, "no method 'missing'"):
                await untyped.missing()
            with self.assertRaisesRegex(AttributeError, "no method '_private'"):
                _ = untyped._private
            with self.assertRaisesRegex(LookupError, "'nothing'.*'thing'"):
                await ext.create_caller(None, "nothing").add(1)
            with self.assertRaisesRegex(ValueError, "'thing' already"):
                await ext.register("thing")
            self.assertNotIn("_pyisolate_call_object", [method.name for method in ext.methods])

        self.with_extension(main)

    def test_registered_late_and_without_a_loop(self):
        async def main(ext):
            with self.assertRaisesRegex(LookupError, "'late'"):
                await ext.create_caller(Thing, "late").add(1)
            await ext.register("late")
            self.assertEqual(1, await ext.create_caller(Thing, "late").add(1))
            self.assertEqual(3, await ext.create_caller(Thing, "late").add_later(2))
            await ext.register("later")
            self.assertEqual(1, ext.create_caller(Thing, "later").sync.add_later(1))

        self.with_extension(main, EXTENSION, late=True)

    def test_objects_of_the_host(self):
        async def main(ext):
            shared_api.request.set("mine")
            ext.register_callee(OnHost(), "host")
            self.assertEqual(8, await ext.ask("host", "double", 4))
            self.assertEqual(8, await ext.ask_async("host", "double", 4))
            self.assertEqual(["mine", "sample"], await ext.ask_async("host", "where"))
            with self.assertRaisesRegex(LookupError, "lost"):
                await ext.ask("host", "fail")
            with self.assertRaisesRegex(LookupError, "'nothing'.*'host'"):
                await ext.ask("nothing", "double", 1)
            with self.assertRaisesRegex(AttributeError, "no method '_private'"):
                await ext.ask("host", "_private")
            with self.assertRaisesRegex(AttributeError, "no method 'double'"):
                await ext.ask_typed("double")
            with self.assertRaisesRegex(ValueError, "'host' already"):
                ext.register_callee(OnHost(), "host")

        self.with_extension(main)

    def test_objects_are_of_one_extension(self):
        async def main():
            async with self.make_manager() as manager:
                source = "LATE = False\n" + EXTENSION
                one = self.load(manager, source, "one", isolated=self.isolated)
                two = self.load(manager, source, "two", isolated=self.isolated)
                one.register_callee(OnHost(), "host")
                self.assertEqual(2, await one.ask("host", "double", 1))
                with self.assertRaisesRegex(LookupError, "none"):
                    await two.ask("host", "double", 1)

        self.run_async(main())

    def test_stopping(self):
        """Until it has ended it is who it was, also where another has its name already."""

        async def main():
            events = []
            async with self.make_manager() as manager:
                config = {"apis": [Log], "isolated": self.isolated}
                ext = self.load(manager, STOPPING, **config)
                ext.register_callee(OnHost(), "host")
                ext.register_event_handler("told", lambda value: events.append(("old", value)))
                await ext
                stopping = ext.stop()
                path = self.folder / "sample"
                new = manager.load_extension({"name": "sample", "module_path": path, **config})
                new.register_callee(OnHost(), "host")
                new.register_event_handler("told", lambda value: events.append(("new", value)))
                await stopping
                self.assertEqual([(8, ext)], Log().noted)
                self.assertEqual([("old", 8)], events)
                await new
                self.assertEqual([("old", 8)], events)

        with pyisolate.singleton_scope():
            self.run_async(main())

    def test_host_uses_remote(self):
        async def main(ext):
            class Thing(pyisolate.ProxiedSingleton):
                async def add(self, n): ...

            await ext.register("Thing")
            ext.use_remote(Thing)
            self.assertEqual(3, await Thing().add(3))
            with self.assertRaisesRegex(RuntimeError, "object already"):
                ext.use_remote(Thing)
            with self.assertRaises(TypeError):
                ext.use_remote(int)

        self.with_extension(main)

    def test_events(self):
        async def main(ext):
            loop = asyncio.get_running_loop()
            told = loop.create_future()

            async def handler(payload):
                told.set_result((payload, asyncio.get_running_loop()))

            ext.register_event_handler("progress", handler)
            await ext.tell("progress", {"fraction": 0.5})
            self.assertEqual(({"fraction": 0.5}, loop), await told)

        self.with_extension(main)

    def test_extension_uses_remote(self):
        async def main(ext):
            HostAPI().data["a"] = 1
            await ext.use("HostAPI")
            self.assertEqual(1, await ext.get_sync("a"))
            ext.register_callee(Table(), "Table")
            await ext.use("Table")
            self.assertEqual("value of b", await ext.look_up("b"))

        self.with_extension(main, apis=[HostAPI])


class NamesInThisProcess(Names):
    isolated = False


class Others(HostTest):
    def test_sandbox_mode(self):
        manager = self.make_manager()
        path = self.write("def add(a, b):\n    return a + b\n")
        for mode in (pyisolate.SandboxMode.REQUIRED, "required"):
            with self.assertRaises(pyisolate.SandboxUnavailableError):
                manager.load_extension({"name": "a", "module_path": path, "sandbox_mode": mode})
        with self.assertRaises(pyisolate.SandboxUnavailableError):
            manager.load_extension(
                {"name": "a", "module_path": path, "sandbox": {"network": False}}
            )
        with self.assertRaises(ValueError):
            manager.load_extension({"name": "a", "module_path": path, "sandbox_mode": "maybe"})
        for number, mode in enumerate((pyisolate.SandboxMode.DISABLED, "disabled", None)):
            config = {"name": f"a{number}", "module_path": path, "sandbox_mode": mode}
            self.assertEqual(3, manager.load_extension(config).sync.add(1, 2))

    def test_what_is_not_built_says_so(self):
        for name in ("register_adapter", "SealedNodeExtension", "flush_tensor_keeper"):
            with self.assertRaisesRegex(ImportError, f"{name}.*migrating"):
                exec(f"from pyisolate import {name}")
        for key in ("package_manager", "execution_model", "conda_channels", "cuda_wheels"):
            with self.assertRaisesRegex(TypeError, f"{key}.*migrating"):
                pyisolate.ExtensionConfig(name="a", module_path="/a", **{key: "x"})
        self.assertFalse(hasattr(pyisolate, "nothing"))


if __name__ == "__main__":
    unittest.main()
