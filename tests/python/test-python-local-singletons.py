# SPDX-License-Identifier: MIT
"""Singletons of extensions with isolated=False: whose loop they run on, and how calls nest."""

import asyncio
import contextvars
import os
import sys
import threading
import unittest

import pyisolate
import shared_api
from local_helper import HELPER, MIXED, LocalTest
from shared_api import HostAPI


class Singletons(LocalTest):
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

    def test_tuples_of_singletons(self):
        """A value that C could take for its arguments."""

        async def main():
            ext = self.load_mixed(self.make_manager())
            for value in ((), ("one",), (1, (2,)), None):
                HostAPI().data["key"] = value
                self.assertEqual(value, await ext.get("key"))
                self.assertEqual(value, await ext.get_sync("key"))

        self.run_async(main())

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


if __name__ == "__main__":
    unittest.main()
