# SPDX-License-Identifier: MIT
"""What others build on asyncio: anyio, and uvloop's event loop, in the host and in extensions."""

import asyncio
import unittest

import anyio
import uvloop
from host_helper import HostTest

# Nothing of it may notice that a method's first step is not made by the loop.
WITH_ANYIO = """
import asyncio
import contextvars

import anyio
from anyio import from_thread, to_thread

variable = contextvars.ContextVar("variable", default="unset")
ended = []


async def loop():
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


async def echo(value):
    return value


async def tasks():
    task = anyio.get_current_task()
    return [task.id == id(asyncio.current_task()), asyncio.current_task() in asyncio.all_tasks()]


async def group():
    order = []

    async def child(number):
        await anyio.sleep(number / 1000)
        order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(child, number)
    return order


async def group_that_fails():
    async def child():
        raise ValueError("of the child")

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            await anyio.sleep(1000)
    except BaseException as error:
        return [str(one) for one in error.exceptions]


async def scopes():
    with anyio.move_on_after(0) as at_once:
        await anyio.sleep(1000)
    with anyio.move_on_after(0.01) as later:
        await anyio.sleep(1000)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep(0)
    try:
        with anyio.fail_after(0.01):
            await anyio.sleep(1000)
    except TimeoutError:
        return [at_once.cancelled_caught, later.cancelled_caught, scope.cancelled_caught]


async def threads():
    variable.set("set")

    def elsewhere():
        from_thread.run(anyio.sleep, 0)
        return variable.get()

    return [await to_thread.run_sync(elsewhere), variable.get()]


async def before():
    return variable.get()


async def streams():
    send, receive = anyio.create_memory_object_stream(1)
    async with send, receive:
        await send.send(1)
        return await receive.receive()


async def wait():
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1000)
    finally:
        ended.append("wait")


async def what_ended():
    return ended
"""
WITH_UVLOOP = "import uvloop\nuvloop.install()\n" + WITH_ANYIO


class Frameworks(HostTest):
    deadline = 560  # packages are downloaded here

    async def check(self, loop, source, package):
        async with self.make_manager() as manager:
            packages = ["anyio>=4,<5", *package]
            ext = self.load(manager, source, f"on_{loop}", dependencies=packages)
            self.assertEqual(loop, await ext.loop())
            self.assertEqual([True, True], await ext.tasks())
            self.assertEqual([0, 1, 2], await ext.group())
            self.assertEqual(["of the child"], await ext.group_that_fails())
            self.assertEqual([True, True, True], await ext.scopes())
            self.assertEqual(["set", "set"], await ext.threads())
            self.assertEqual("unset", await ext.before())
            self.assertEqual(1, await ext.streams())
            with anyio.move_on_after(0.05) as scope:
                await ext.wait()
            self.assertTrue(scope.cancelled_caught)
            while not await ext.what_ended():
                await anyio.sleep(0.01)
            values = [*range(500)] + ["x" * 70_000] * 20
            answers = await asyncio.gather(*(ext.echo(value) for value in values))
            self.assertEqual(values, answers)
            self.assertEqual(3, ext.sync.echo(3))

    def test_asyncio(self):
        self.run_async(self.check("asyncio", WITH_ANYIO, []))

    def test_uvloop(self):
        uvloop.run(self.check("uvloop", WITH_UVLOOP, ["uvloop>=0.21,<1"]))

    def test_anyio(self):
        anyio.run(self.check, "asyncio", WITH_ANYIO, [])


if __name__ == "__main__":
    unittest.main()
