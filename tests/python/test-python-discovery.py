# SPDX-License-Identifier: MIT
"""What can be seen of an extension: by dir(), help() and inspect, before it is loaded and after."""

import inspect
import unittest

from host_helper import HostTest

EXTENSION = '''
import asyncio


def add(a, b=2):
    """Add."""
    return a + b


async def sleep():
    await asyncio.sleep(1000)
'''


class Discovery(HostTest):
    def test_discovery(self):
        """What a REPL looks at starts nothing, and does not wait."""
        import pydoc
        import rlcompleter

        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)

        def look():
            complete = rlcompleter.Completer({"ext": ext}).complete
            found = [complete("ext.", n) for n in range(100)]
            return pydoc.render_doc(ext, renderer=pydoc.plaintext), found, repr(ext)

        text, found, shown = look()
        self.assertIn("once it is loaded", text)
        self.assertIn("add(a, b=2)\n        Add.", text)
        names = {str(name).partition("(")[0] for name in found}
        self.assertTrue({"ext.stop", "ext.add"} <= names, names)
        self.assertIn("new", shown)
        self.assertEqual("(a, b=2)", str(inspect.signature(ext.add)))
        self.assertEqual("Add.", inspect.getdoc(ext.sync.add))
        self.assertEqual("new", ext.state)
        self.assertIsNone(ext.pid)
        self.assertEqual("(*args, **kwargs)", str(inspect.signature(ext.anything)))
        self.assertEqual(3, ext.sync.add(1))
        text, found, shown = look()
        self.assertIn("add(a, b=2)\n        Add.", text)
        self.assertIn("async sleep()", text)
        names = {str(name).partition("(")[0] for name in found}
        self.assertTrue({"ext.add", "ext.sleep", "ext.stop"} <= names, names)
        self.assertIn("running", shown)
        self.assertEqual("<method sample.add(a, b=2)>", repr(ext.add))
        self.assertIn("Add.", pydoc.render_doc(ext.add, renderer=pydoc.plaintext))
        ext.kill()

    def test_outline_is_what_is_loaded(self):
        """What the source says before it is loaded is what the extension says then."""
        sources = {
            "functions": """
                from os.path import join
                def plain(a, /, b: int, *rest: str, c=1, d: "list[int]" = [], **more) -> dict: ...
                async def later(*, key): "Later."
                def _private(): ...
                class Other: ...
            """,
            "listed": """
                __all__ = ["one", "three"]
                def one(x=(1, 2)): ...
                def two(): ...
                three = 3
            """,
            "class": """
                from pyisolate import ExtensionBase
                class _Base(ExtensionBase):
                    def inherited(self, a=1): ...
                    def both(self): ...
                class Mine(_Base):
                    '''Mine.'''
                    def on_module_loaded(self, module): ...
                    async def both(self, /, x, *, y=2):
                        '''Both.

                            Indented.
                        '''
                    @staticmethod
                    def static(a, b): ...
                    @classmethod
                    def of_class(cls, a): ...
                    @property
                    def value(self): ...
            """,
        }

        def shown(ext):
            return [
                (
                    name,
                    str(inspect.signature(getattr(ext, name))),
                    inspect.getdoc(getattr(ext, name)),
                )
                for name in dir(ext.api)
            ]

        manager = self.make_manager()
        for name, source in sources.items():
            with self.subTest(name=name):
                ext = self.load(manager, source, name)
                before = shown(ext)
                self.assertEqual("new", ext.state)
                self.assertTrue(before)
                self.run_async(manager._extensions[name]._ensure_loaded())
                self.assertEqual(sorted(shown(ext)), sorted(before))
        for name, source in {"broken": "def (", "entry": "def extension_entrypoint(): ..."}.items():
            self.assertEqual([], dir(self.load(manager, source, name).api))

    def test_names_of_the_host(self):
        """ext.api.x is always the extension's; ext.x is the host's where it has such a name."""
        source = "def stop():\n    return 'mine'\n\ndef sync():\n    return 'mine'\n"
        ext = self.load(self.make_manager(), source, "stopper")

        async def main():
            self.assertEqual("mine", await ext.api.stop())
            self.assertEqual("mine", await ext.api.sync())
            self.assertEqual("mine", ext.sync.stop())
            self.assertIn("stop", dir(ext.api))
            await ext.stop()
            self.assertEqual("stopped", ext.state)

        self.run_async(main())

    def test_signature(self):
        async def main():
            async with self.make_manager() as manager:
                ext = await self.load(manager, EXTENSION)
                self.assertEqual("(a, b=2)", str(inspect.signature(ext.add)))
                self.assertEqual("Add.", inspect.getdoc(ext.api.add))

        self.run_async(main())


if __name__ == "__main__":
    unittest.main()
