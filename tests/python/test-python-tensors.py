# SPDX-License-Identifier: MIT
"""Arrays between a host in Python and its extensions, where neither side has NumPy or torch."""

import gc
import os
import signal
import sys
import unittest

import pyisolate
from host_helper import HostTest, wait_until

# Though the interpreter may have them.
sys.modules["numpy"] = sys.modules["torch"] = None

EXTENSION = """
import gc
import os
import sys

import pyisolate

sys.modules["numpy"] = sys.modules["torch"] = None
kept = []


def echo(value):
    return value


def fill(tensor, byte):
    memoryview(tensor)[:] = bytes([byte]) * tensor.nbytes


def keep(tensor):
    kept.append(tensor)


def drop():
    kept.clear()


def make(n):
    tensor = pyisolate.empty(n, "uint8")
    fill(tensor, 7)
    kept.append(tensor)
    return tensor


def look(n=0):
    return [bytes(memoryview(tensor)[:3]) for tensor in kept]


def describe(tensor):
    return type(tensor).__name__, tensor.dtype, tensor.shape, tensor.readonly


def count():
    gc.collect()
    with open("/proc/self/maps") as maps:
        mappings = sum("memfd:pyisolate" in line for line in maps)
    return mappings, len(os.listdir("/proc/self/fd"))


def write_anyway(tensor):
    import ctypes

    capsule = tensor.__dlpack__(max_version=(1, 0))
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype = ctypes.c_void_p
    get.argtypes = [ctypes.py_object, ctypes.c_char_p]
    managed = get(capsule, b"dltensor_versioned")
    address = ctypes.c_void_p.from_address(managed + 32).value
    ctypes.memset(address, 1, tensor.nbytes)
    return bytes(memoryview(tensor)[:3])


def tell(n):
    pyisolate.emit_event("made", [make(n)])


def fail(n):
    raise ValueError("no", make(n), 5)


async def use(text):
    host = pyisolate.singleton("Host")
    tensor = pyisolate.zeros(100_000, "uint8")
    again = await host.touch(tensor)
    fill(tensor, 5)
    return bytes(memoryview(again)[:2]), len(await host.long(len(text)))
"""


class Host(pyisolate.ProxiedSingleton):
    def touch(self, tensor):
        return tensor

    def long(self, n):
        return "x" * n


def count():
    gc.collect()
    with open("/proc/self/maps") as maps:
        return sum("memfd:pyisolate" in line for line in maps)


class Tensors(HostTest):
    def setUp(self):
        super().setUp()
        self.ext = self.load(self.make_manager(), EXTENSION, apis=[Host])
        self.sync = self.ext.sync
        self.sync.echo(1)

    def test_same_memory(self):
        tensor = pyisolate.zeros(1000, "uint8")
        self.assertTrue(pyisolate.is_shared(tensor))
        self.sync.fill(tensor, 3)
        self.assertEqual(b"\3" * 1000, bytes(tensor))
        again = self.sync.echo({"a": [tensor]})["a"][0]
        memoryview(again)[0] = 9
        self.assertEqual(9, memoryview(tensor)[0])

    def test_of_the_extension(self):
        tensor = self.sync.make(100_000)
        self.assertEqual(b"\7" * 100_000, bytes(tensor))
        memoryview(tensor)[0] = 1
        self.assertEqual([b"\1\7\7"], self.sync.look())
        again = self.sync.echo(tensor)
        memoryview(again)[1] = 2
        self.assertEqual([b"\1\2\7"], self.sync.look())

    def test_between_extensions(self):
        """What one extension made another one can have, and keep when the first has ended."""
        other = self.load(self.ext._manager, EXTENSION, name="other", apis=[Host])
        tensor = self.sync.make(50_000)
        other.sync.keep(tensor)
        memoryview(tensor)[0] = 1
        self.assertEqual([b"\1\7\7"], self.sync.look())
        self.assertEqual([b"\1\7\7"], other.sync.look())
        self.ext._manager.stop_extension("sample")
        memoryview(tensor)[1] = 2
        self.assertEqual([b"\1\2\7"], other.sync.look())
        del tensor
        gc.collect()
        self.assertEqual([b"\1\2\7"], other.sync.look())
        again = other.sync.echo(pyisolate.zeros(50_000, "uint8"))
        self.assertEqual(bytes(50_000), bytes(again))
        self.assertEqual([b"\1\2\7"], other.sync.look())

    def test_life(self):
        tensor = pyisolate.zeros(50_000, "uint8")
        memoryview(tensor)[0] = 4
        self.sync.keep(tensor)
        del tensor
        gc.collect()
        self.assertEqual([b"\4\0\0"], self.sync.look())
        self.sync.drop()
        wait_until(lambda: count() == 0)

    def test_sent_and_dropped_at_once(self):
        """However busy the receiver is."""
        os.kill(self.ext.pid, signal.SIGSTOP)

        async def main():
            import asyncio

            calls = []
            for number in range(20):
                tensor = pyisolate.zeros(20_000, "uint8")
                memoryview(tensor)[0] = number
                calls.append(asyncio.ensure_future(self.ext.keep(tensor)))
                del tensor
                await asyncio.sleep(0)
            gc.collect()
            os.kill(self.ext.pid, signal.SIGCONT)
            await asyncio.gather(*calls)
            return await self.ext.look()

        seen = self.run_async(main())
        self.assertEqual([bytes([number, 0, 0]) for number in range(20)], seen)

    def test_long_bytes(self):
        for value in (os.urandom(300_000), "é" * 200_000, bytearray(200_000)):
            with self.subTest(type=type(value)):
                again = self.sync.echo([value, {"k": value}])
                self.assertEqual([value, {"k": value}], again)
                self.assertIs(type(value), type(again[0]))
        huge = bytes(100 << 20)
        self.assertEqual(huge, self.sync.echo(huge))

    def test_singleton(self):
        async def main():
            return await self.ext.use("x" * 100_000)

        self.assertEqual((b"\5\5", 100_000), self.run_async(main()))

    def test_in_events(self):
        """They travel inside of the message, as copies."""
        told = []
        self.ext.register_event_handler("made", told.append)

        async def main():
            import asyncio

            await self.ext.tell(1000)
            await self.ext.tell(20 << 20)
            while len(told) < 2:
                await asyncio.sleep(0.01)
            with self.assertRaisesRegex(ValueError, "67108[0-9]* bytes.*limit|limit"):
                await self.ext.tell(64 << 20)

        self.run_async(main())
        for n, (tensor,) in zip((1000, 20 << 20), told):
            self.assertEqual((n,), tensor.shape)
            self.assertEqual(b"\7" * n, bytes(tensor))
            self.assertFalse(pyisolate.is_shared(tensor))
        self.assertEqual([b"\7\7\7"] * 3, self.sync.look())

    def test_in_exceptions(self):
        """Small ones are there, of others what they are called."""
        with self.assertRaises(ValueError) as caught:
            self.sync.fail(1000)
        self.assertEqual(("no", 5), caught.exception.args[::2])
        self.assertEqual(b"\7" * 1000, bytes(caught.exception.args[1]))
        with self.assertRaises(ValueError) as caught:
            self.sync.fail(100_000)
        self.assertEqual(("no", "<pyisolate.Tensor (100000,) uint8>", 5), caught.exception.args)

    def test_read_only(self):
        tensor = pyisolate.zeros(9000, "uint8")
        shared = pyisolate.share(tensor, readonly=True)
        guarded = self.ext.options(readonly=True).sync
        for call, value in [(self.sync, shared), (guarded, tensor), (guarded, shared)]:
            self.assertEqual(("Tensor", "uint8", (9000,), True), call.describe(value))
            self.assertEqual(b"\1\1\1", call.write_anyway(value))
            self.assertEqual(0, memoryview(value)[0])
        self.assertEqual(("Tensor", "uint8", (9000,), False), self.sync.describe(tensor))

    def test_killed(self):
        tensor = pyisolate.zeros(100_000, "uint8")
        made = self.sync.make(100_000)
        self.sync.keep(tensor)
        os.kill(self.ext.pid, signal.SIGKILL)
        wait_until(lambda: self.ext.state == "failed")
        with self.assertRaises(pyisolate.NotRunningError):
            self.sync.echo(tensor)
        with self.assertRaises(pyisolate.NotRunningError):  # memory is not what is missing
            self.sync.echo(bytes(1 << 20))
        memoryview(tensor)[0] = memoryview(made)[0] = 1
        del tensor, made
        wait_until(lambda: count() == 0)

    def test_no_memory(self):
        with self.assertRaises(MemoryError):
            pyisolate.empty(1 << 50, "uint8")
        with self.assertRaisesRegex(MemoryError, "."):
            self.sync.make(1 << 50)
        self.assertEqual(1, self.sync.echo(1))

    def test_limit(self):
        manager, module_path = self.make_manager(), self.folder / "sample"
        limited = {"name": "limited", "module_path": module_path, "shared_memory_limit": 8_000_000}
        ext = manager.load_extension(limited).sync
        for _ in range(10):
            self.assertEqual(bytes(1_000_000), ext.echo(bytes(1_000_000)))
        with self.assertRaisesRegex(MemoryError, "shared-memory-limit"):
            ext.echo(bytes(9_000_000))
        with self.assertRaisesRegex(MemoryError, "shared-memory-limit"):
            ext.make(9_000_000)
        self.assertEqual(1, ext.echo(1))
        for wrong in ("2 MB", 0, -1, 1.5):
            with self.assertRaisesRegex(TypeError, "shared_memory_limit"):
                manager.load_extension({**limited, "name": "wrong", "shared_memory_limit": wrong})

    def test_many_passes(self):
        def once():
            tensor = pyisolate.empty(20_000, "uint8")
            self.sync.echo(tensor)
            self.sync.echo(bytes(70_000))
            self.sync.make(30_000)
            self.sync.drop()

        for _ in range(50):
            once()
        before = self.count_all()
        for _ in range(500):
            once()
        wait_until(lambda: all(n < m + 10 for m, n in zip(before, self.count_all())))

    def count_all(self):
        """Mappings and descriptors of the extension, and of this process."""
        return *self.sync.count(), count(), len(os.listdir("/proc/self/fd"))


if __name__ == "__main__":
    unittest.main()
