# SPDX-License-Identifier: MIT
"""What happens because of one call is told in the order in which it happened."""

import asyncio
import contextlib
import os
import threading
import unittest
from unittest import mock

import pyisolate
from host_helper import HostTest

EXTENSION = """
import asyncio

import pyisolate


def tell(n):
    for i in range(n):
        pyisolate.progress(i / n)
        pyisolate.emit_event("told", i)
        pyisolate.emit_event("other", i)
    return n


async def tell_async(n):
    for i in range(n):
        pyisolate.progress(i / n)
        pyisolate.emit_event("told", i)
        pyisolate.emit_event("other", i)
        if i % 3 == 0:
            await asyncio.sleep(0)
    return n


def tell_singleton(n):
    api = pyisolate.singleton("Record").sync
    for i in range(n):
        pyisolate.emit_event("told", i)
        api.record(i)
        pyisolate.progress(i / n)
        api.record(i)
    return n


async def tell_singleton_async(n):
    api = pyisolate.singleton("Record")
    for i in range(n):
        pyisolate.emit_event("told", i)
        await api.record(i)
        pyisolate.progress(i / n)
        await api.record(i)
    return n


async def tell_and_wait():
    pyisolate.emit_event("told", 0)
    try:
        await asyncio.Event().wait()
    finally:
        pyisolate.emit_event("told", 1)
"""


class Record(pyisolate.ProxiedSingleton):
    """All that happened, in order."""

    def __init__(self):
        self.what = []

    def record(self, i):
        self.what.append(("called", i))


N = 40
TOLD = [what for i in range(N) for what in (("progress", i / N), ("told", i), ("other", i))] + [
    "answer"
]
TOLD_TO_SINGLETON = [
    what
    for i in range(N)
    for what in (("told", i), ("called", i), ("progress", i / N), ("called", i))
] + ["answer"]
WAYS = {"lanes": {}, "D-Bus": {"PYISOLATE_TRANSPORT": "dbus"}}


class OrderTest(HostTest):
    @contextlib.contextmanager
    def recording(self, **config):
        with pyisolate.singleton_scope():
            record = Record()
            ext = self.load(self.make_manager(), EXTENSION, apis=[Record], **config)
            for name in ("told", "other"):
                ext.register_event_handler(
                    name, lambda value, name=name: record.what.append((name, value))
                )
            yield ext, record.what

    def each_kind(self, check):
        """By both transports, and in this process."""
        for way, environ in WAYS.items():
            with self.subTest(way), mock.patch.dict(os.environ, environ):
                check(name=f"by{len(environ)}")
        with self.subTest("not isolated"):
            check(name="here", isolated=False)

    def options(self, ext, what):
        return ext.options(on_progress=lambda fraction, _: what.append(("progress", fraction)))

    def check_awaited(self, debug=False):
        async def main(**config):
            with self.recording(**config) as (ext, what):
                for name in ("tell", "tell_async", "tell_singleton", "tell_singleton_async"):
                    expected = TOLD_TO_SINGLETON if "singleton" in name else TOLD
                    for _ in range(10):
                        what.clear()
                        await getattr(self.options(ext, what), name)(N)
                        what.append("answer")
                        self.assertEqual(expected, what, name)
                await ext.stop()

        self.each_kind(lambda **config: self.run_async(main(**config), debug))

    def test_awaited(self):
        self.check_awaited()

    def test_awaited_where_the_loop_calls_back(self):
        self.check_awaited(debug=True)

    def test_waited_for(self):
        """By a thread without a loop, as long as none uses the manager: handlers run there."""

        def check(**config):
            with self.recording(**config) as (ext, what):
                for name in ("tell", "tell_async", "tell_singleton", "tell_singleton_async"):
                    expected = TOLD_TO_SINGLETON if "singleton" in name else TOLD
                    for _ in range(10):
                        what.clear()
                        getattr(self.options(ext, what).sync, name)(N)
                        what.append("answer")
                        self.assertEqual(expected, what, name)
                ext.stop()

        self.each_kind(check)

    def test_coroutines_without_a_loop(self):
        """They are run to their end; the loop that runs them is not the manager's afterwards."""

        def check(**config):
            with self.recording(**config) as (ext, what):

                async def handle(value):
                    self.assertEqual(0, await ext.tell_async(0))
                    what.append(("told", value))

                ext.register_event_handler("told", handle)
                for name in ("tell", "tell_async"):
                    what.clear()
                    getattr(self.options(ext, what).sync, name)(N)
                    what.append("answer")
                    self.assertEqual(TOLD, what)
                ext.stop()

        self.each_kind(check)

    def test_waited_for_by_the_loop(self):
        """A .sync call that keeps the manager's loop waiting: handlers run inside of it."""

        async def main(**config):
            with self.recording(**config) as (ext, what):
                await ext
                for name in ("tell", "tell_singleton"):
                    what.clear()
                    getattr(self.options(ext, what).sync, name)(N)
                    what.append("answer")
                    self.assertEqual(TOLD_TO_SINGLETON if "singleton" in name else TOLD, what)
                await ext.stop()

        self.each_kind(lambda **config: self.run_async(main(**config)))

    def check_coroutines(self, debug=False):
        async def main(**config):
            with self.recording(**config) as (ext, what):

                async def handle(value):
                    what.append(("begun", value))
                    await asyncio.sleep(0)

                ext.register_event_handler("told", handle)
                for name in ("tell", "tell_async"):
                    for _ in range(20):
                        what.clear()
                        await getattr(ext, name)(1)
                        what.append("answer")
                        self.assertEqual("answer", what.pop(), debug)
                        self.assertEqual([("begun", 0), ("other", 0)], sorted(what), debug)
                await ext.stop()

        self.each_kind(lambda **config: self.run_async(main(**config), debug))

    def test_coroutines(self):
        """A handler that is async has begun before the call goes on."""
        self.check_coroutines()

    def test_coroutines_where_the_loop_calls_back(self):
        self.check_coroutines(debug=True)

    def test_given_up(self):
        """What a method still tells when nobody waits for it any more is told, once."""

        async def main(**config):
            with self.recording(**config) as (ext, what):
                waiting = asyncio.ensure_future(ext.tell_and_wait())
                while what != [("told", 0)]:
                    await asyncio.sleep(0.01)
                waiting.cancel()
                while len(what) < 2:
                    await asyncio.sleep(0.01)
                await ext.stop()
                self.assertEqual([("told", 0), ("told", 1)], what)

        self.each_kind(lambda **config: self.run_async(main(**config)))

    def test_failing_handlers(self):
        async def main(**config):
            with self.recording(**config) as (ext, what):
                ext.register_event_handler("told", lambda value: 1 / 0)
                with self.assertLogs("pyisolate", "ERROR") as logs:
                    self.assertEqual(2, await ext.tell(2))
                self.assertIn("ZeroDivisionError", logs.output[0])
                self.assertEqual([("other", 0), ("other", 1)], what)
                await ext.stop()

        self.each_kind(lambda **config: self.run_async(main(**config)))

    def test_two_loops(self):
        """What another loop's calls tell is handled on the manager's, in its own order."""

        def elsewhere(ext):
            asyncio.run(asyncio.wait_for(ext.tell(N), self.deadline / 2))

        async def main(**config):
            with self.recording(**config) as (ext, what):
                here = threading.get_ident()
                ext.register_event_handler(
                    "told", lambda value: what.append((threading.get_ident() == here, value))
                )
                await ext
                await asyncio.get_running_loop().run_in_executor(None, elsewhere, ext)
                expected = [told for i in range(N) for told in ((True, i), ("other", i))]
                while len(what) < len(expected):
                    await asyncio.sleep(0.01)
                self.assertEqual(expected, what)
                await ext.stop()

        self.each_kind(lambda **config: self.run_async(main(**config)))


if __name__ == "__main__":
    unittest.main()
