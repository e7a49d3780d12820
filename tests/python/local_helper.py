# SPDX-License-Identifier: MIT
"""What the tests of extensions with isolated=False share."""

import pyisolate
from host_helper import HostTest
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

PLAIN = '''
import threading


def add(a, b=2):
    """Add."""
    return a + b


def where():
    return threading.current_thread().name
'''


class LocalTest(HostTest):
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
