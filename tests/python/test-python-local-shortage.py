# SPDX-License-Identifier: MIT
"""Extensions with isolated=False where there are no more threads, or descriptors.

What needs them fails alone, and can be had later.
"""

import asyncio
import contextlib
import errno
import threading
import unittest
from unittest import mock

import pyisolate
from local_helper import LocalTest

MIXED = """
import pyisolate


async def one():
    return 1


def two():
    return 2


@pyisolate.threaded
def three():
    return 3
"""


@contextlib.contextmanager
def no_thread(is_refused):
    start = threading.Thread.start

    def start_or_not(thread):
        if is_refused(thread):
            raise RuntimeError("can't start new thread")
        start(thread)

    with mock.patch.object(threading.Thread, "start", start_or_not):
        yield


def is_timer(thread):
    return isinstance(thread, threading.Timer)


class Shortage(LocalTest):
    def load(self, **config):
        return super().load(self.make_manager(), MIXED, isolated=False, **config)

    def assert_works(self, ext):
        self.assertEqual([1, 2, 3], [ext.sync.one(), ext.sync.two(), ext.sync.three()])

    def test_no_thread_to_load_in(self):
        ext = self.load()
        for is_refused in (
            is_timer,
            lambda thread: thread.name == "pyisolate-sample",
            lambda thread: thread.name == "pyisolate-sample-second",
        ):
            with no_thread(is_refused), self.assertRaisesRegex(pyisolate.StartError, "no thread"):
                ext.sync.one()
            self.assertEqual("failed", ext.state)
        self.assert_works(ext)

    def test_no_descriptors_to_load_with(self):
        ext = self.load()
        shortage = OSError(errno.EMFILE, "too many")
        no_loop = mock.patch.object(asyncio, "new_event_loop", side_effect=shortage)
        with no_loop, self.assertRaisesRegex(OSError, "too many"):
            ext.sync.one()
        self.assertEqual("failed", ext.state)
        self.assert_works(ext)

    def test_no_thread_to_call_in(self):
        ext = self.load()
        self.assert_works(ext)
        with no_thread(lambda thread: True):
            for call in (ext.sync.three, ext.options(timeout=1000).sync.two):
                with self.assertRaisesRegex(RuntimeError, "can't start new thread"):
                    call()
            self.assertEqual(set(), ext._local.calls)
            self.assertEqual([1, 2], [ext.sync.one(), ext.sync.two()])
        self.assert_works(ext)

    def test_no_thread_to_count_the_stop(self):
        ext = self.load()
        self.assert_works(ext)
        with no_thread(lambda thread: True):
            ext.stop()
        self.assertEqual("stopped", ext.state)


if __name__ == "__main__":
    unittest.main()
