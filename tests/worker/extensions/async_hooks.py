# SPDX-License-Identifier: MIT
"""A coroutine makes the object, whose hooks are coroutines and whose methods are not."""

import asyncio
import threading

import pyisolate

seen = []


class Hooked(pyisolate.ExtensionBase):
    async def before_module_loaded(self):
        await asyncio.sleep(0)
        seen.append("before " + await pyisolate.singleton("host").echo("asked"))

    async def on_module_loaded(self, module):
        seen.append("on " + module.__name__)

    async def stop(self):
        await asyncio.sleep(0)
        print("stop", await pyisolate.singleton("host").echo("asked"))

    def get_seen(self):
        return seen

    def where(self):
        return threading.current_thread() is threading.main_thread()

    def run_a_loop(self):
        return asyncio.run(asyncio.sleep(0, "ran"))


class Other(pyisolate.ExtensionBase):
    pass


async def extension_entrypoint():
    await asyncio.sleep(0)
    return Hooked()
