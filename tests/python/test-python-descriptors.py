# SPDX-License-Identifier: MIT
"""Hosts and extensions that run out of file descriptors: an error of that call and no other."""

import gc
import os
import resource
import threading
import unittest

import pyisolate
from host_helper import HostTest, wait_until

EXTENSION = """
import os
import resource

import pyisolate


def add(a, b=2):
    return a + b


def make(n, size=9000):
    return [pyisolate.empty((size,), "uint8") for _ in range(n)]


def fail():
    raise ValueError("told anyhow")


kept = []


def keep():
    while True:
        kept.extend(make(1))


def take(values):
    return len(values)


def files(n):
    try:
        opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(n)]
        return [pyisolate.FileDescriptor(os.dup(fd)) for fd in opened]
    finally:
        for fd in opened:
            os.close(fd)


def leave(n):
    used = len(os.listdir("/proc/self/fd")) - 1
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + n, hard))


def leave_none():
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))


def restore():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
"""


def count_fds():
    return len(os.listdir("/proc/self/fd"))


class Descriptors(HostTest):
    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)

    def limit(self, n):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))

    def start(self, name="sample", manager=None):
        ext = self.load(manager or self.make_manager(), EXTENSION, name=name)
        self.assertEqual(3, ext.sync.add(1))
        self.pid = ext.pid
        return ext

    def assert_works(self, ext):
        """With what needs descriptors and what does not, at once, and in the same process."""
        self.assertEqual(3, ext.sync.add(1))
        self.assertEqual(2, len(ext.sync.make(2)))
        self.assertEqual(1, len(ext.sync.make(1, 200_000)))
        self.assertEqual(3, ext.sync.take([bytes(20_000)] * 3))
        self.assertEqual(1, ext.sync.take([pyisolate.zeros((30_000,), "uint8")]))
        self.assertEqual(self.pid, ext.pid)

    def test_too_many_pieces(self):
        """More shared memory than there are descriptors, asked for by either side."""
        for limit in 64, 128, 256:
            with self.subTest(limit):
                self.limit(limit)
                manager = self.make_manager()
                ext = self.start(f"sample{limit}", manager)
                for _ in range(10):
                    with self.assertRaisesRegex(MemoryError, "descriptors.*RLIMIT_NOFILE"):
                        ext.sync.make(limit)
                    self.assert_works(ext)
                    with self.assertRaisesRegex(MemoryError, "RLIMIT_NOFILE"):
                        ext.sync.take([pyisolate.zeros((9000,), "uint8") for _ in range(limit)])
                    self.assert_works(ext)
                    with self.assertRaisesRegex(
                        (MemoryError, pyisolate.LimitError), "RLIMIT_NOFILE"
                    ):
                        ext.sync.take([bytes(9000)] * limit)
                    self.assert_works(ext)
                manager.stop_all_extensions()

    def test_others_find_some(self):
        """However much an extension was given, its host can open files, and start others."""
        self.limit(256)
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)
        with self.assertRaises(MemoryError):
            ext.sync.keep()
        other = self.load(manager, EXTENSION, name="other")
        self.assertEqual(3, other.sync.add(1))
        pipes = [os.pipe() for _ in range(5)]
        for fds in pipes:
            for fd in fds:
                os.close(fd)

    def test_extension_has_none_left(self):
        """Arrays that an extension has no descriptors for; given back, they arrive another time."""
        ext = self.start()
        few = [pyisolate.zeros((9000,), "uint8") for _ in range(3)]
        for _ in range(5):
            arrays = [pyisolate.zeros((9000,), "uint8") for _ in range(300)]
            ext.sync.leave(40)
            for n in 100, 300:
                with self.assertRaisesRegex(OSError, "descriptors.*RLIMIT_NOFILE"):
                    ext.sync.take(arrays[:n])
                self.assertEqual(3, ext.sync.take(few))
                self.assertEqual(3, ext.sync.add(1))
            ext.sync.restore()
            self.assertEqual(300, ext.sync.take(arrays))
            self.assert_works(ext)

    def test_extension_has_none_left_to_describe_an_error_by(self):
        """What does that is imported when the first exception is raised."""
        ext = self.start()
        ext.sync.leave_none()
        for _ in range(2):
            with self.assertRaisesRegex(ValueError, "^told anyhow$"):
                ext.sync.fail()
        ext.sync.restore()
        with self.assertRaises(ValueError) as caught:
            ext.sync.fail()
        self.assertIn("in fail", caught.exception.remote_traceback)
        self.assert_works(ext)

    def test_host_has_none_left(self):
        """Files that are returned to a host that has no descriptors for them."""
        ext = self.start()
        for _ in range(10):
            self.limit(count_fds() + 40)
            with self.assertRaisesRegex(pyisolate.LimitError, "descriptors.*RLIMIT_NOFILE"):
                ext.sync.files(100)
            self.assertEqual(3, ext.sync.add(1))
            self.assertEqual(5, len(ext.sync.files(5)))
            self.limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            self.assertEqual(100, len(ext.sync.files(100)))
        gc.collect()
        self.assert_works(ext)

    def test_no_room_for_another_caller(self):
        """An extension has no descriptors for the way of one more thread: it goes another."""
        ext = self.start()
        results = []

        def call():
            for _ in range(3):
                try:
                    results.append(ext.sync.add(1))
                except pyisolate.LimitError as error:
                    results.append(str(error))

        ext.sync.leave(1)
        for _ in range(3):
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        self.assertEqual(3, ext.sync.add(1))
        ext.sync.restore()
        self.assertEqual(9, len(results))
        self.assertEqual([3] * 8, results[1:])
        self.assert_works(ext)

    def test_none_left_for_another_extension(self):
        manager = self.make_manager()
        ext = self.load(manager, EXTENSION)
        self.assertEqual(3, ext.sync.add(1))
        fds = count_fds()
        self.limit(fds + 3)
        with self.assertRaisesRegex(pyisolate.Error, "Too many open files.*RLIMIT_NOFILE"):
            self.load(manager, EXTENSION, name="other").sync.add(1)
        self.assertEqual(3, ext.sync.add(1))
        self.limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        wait_until(lambda: count_fds() <= fds + 2)
        self.assertEqual(3, self.load(manager, EXTENSION, name="third").sync.add(1))


if __name__ == "__main__":
    unittest.main()
