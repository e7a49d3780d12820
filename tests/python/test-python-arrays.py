# SPDX-License-Identifier: MIT
"""Arrays between a host with NumPy 2 and torch and extensions with other sets of packages."""

import gc
import importlib.metadata
import os
import random
import signal
import sys
import time
import unittest

import pyisolate
from host_helper import HostTest, wait_until

# The first test looks whether these were needed before it.
assert "numpy" not in sys.modules
assert "torch" not in sys.modules

SEED = int(os.environ.get("PYISOLATE_TEST_SEED") or random.SystemRandom().getrandbits(32))
SLOW = os.environ.get("PYISOLATE_TEST_SLOW") == "1"
N_CASES = 2000 if SLOW else 300
N_PASSES = 10_000 if SLOW else 1000

EXTENSION = """
import gc
import os
import sys

import pyisolate

kept = []


def imported():
    return [name for name in ("numpy", "torch") if name in sys.modules]


def versions():
    import importlib.metadata

    found = {}
    for name in ("numpy", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def echo(value):
    return value


def describe(value):
    strides = getattr(value, "strides", None)
    if callable(getattr(value, "stride", None)):
        strides = value.stride()
    return f"{type(value).__module__}.{type(value).__name__}", str(value.dtype), strides


def look_at(value):
    return value, value[1:], value.view("int32")


def add(value, n):
    value += n


def keep(value):
    kept.append(value)


def take():
    return kept.pop()


def make(n):
    import numpy

    value = pyisolate.zeros(n, "float32")
    value[:] = numpy.arange(n)
    kept.append(value)
    return value, numpy.arange(n, dtype="float64")


def count():
    gc.collect()
    with open("/proc/self/maps") as maps:
        mappings = sum("memfd:pyisolate" in line for line in maps)
    with open("/proc/self/statm") as statm:
        return mappings, len(os.listdir("/proc/self/fd")), int(statm.read().split()[1])


def where():
    import torch

    return os.path.realpath(torch.__file__)
"""


def count():
    gc.collect()
    with open("/proc/self/maps") as maps:
        mappings = sum("memfd:pyisolate" in line for line in maps)
    with open("/proc/self/statm") as statm:
        return mappings, len(os.listdir("/proc/self/fd")), int(statm.read().split()[1])


class Arrays(HostTest):
    deadline = 560  # packages are installed here, and torch is imported

    @classmethod
    def setUpClass(cls):
        print(f"# PYISOLATE_TEST_SEED={SEED}", flush=True)

    def load_one(self, *dependencies, **config):
        extension = self.load(
            self.make_manager(), EXTENSION, dependencies=list(dependencies), **config
        )
        return extension, extension.sync

    def test_0_nothing_is_imported_early(self):
        _, plain = self.load_one("numpy==1.26.4")
        self.assertEqual([1, {"a": b"b"}], plain.echo([1, {"a": b"b"}]))
        self.assertEqual([], plain.imported())
        self.assertNotIn("numpy", sys.modules)
        self.assertNotIn("torch", sys.modules)
        import numpy as np

        self.assertEqual([1.0], plain.echo(np.ones(1)).tolist())
        self.assertEqual(["numpy"], plain.imported())
        self.assertNotIn("torch", sys.modules)

    def test_read_only_in_this_process(self):
        import numpy as np
        import torch

        manager = self.make_manager()
        ext = self.load(manager, EXTENSION, isolated=False).sync
        guarded = manager.extensions["sample"].options(readonly=True).sync
        shared = pyisolate.share(np.zeros(4), readonly=True)
        for array in (
            np.zeros(4),
            np.arange(24).reshape(4, 6)[::2, ::-3],
            np.zeros((0, 3)),
            np.array(["text", None], object),
            np.array(3.0),
            pyisolate.from_numpy(np.zeros(4)),
        ):
            got = guarded.echo({"key": [array]})["key"][0]
            self.assertIs(np.ndarray, type(got))
            self.assertEqual((array.dtype, array.tolist()), (got.dtype, got.tolist()))
            self.assertFalse(got.flags.writeable)
            self.assertFalse(np.shares_memory(got, array))
            self.assertTrue(array.flags.writeable)
            self.assertIs(array, ext.echo(array))
        got = guarded.echo(shared)
        self.assertTrue(np.shares_memory(got, shared))
        self.assertFalse(got.flags.writeable)
        with self.assertRaisesRegex(ValueError, "read-only"):
            guarded.add(np.zeros(4), 1)
        tensor = torch.zeros(4)
        guarded.add(tensor, 1)
        self.assertEqual([0.0] * 4, tensor.tolist())
        ext.add(tensor, 1)
        self.assertEqual([1.0] * 4, tensor.tolist())
        weights = torch.nn.Parameter(torch.zeros(4))
        got = guarded.echo(weights)
        self.assertTrue(got.requires_grad)
        self.assertNotEqual(weights.data_ptr(), got.data_ptr())

    def test_numpy_1_without_torch(self):
        """torch and NumPy 2 here, NumPy 1.26 and no torch there."""
        import numpy as np
        import torch

        self.assertTrue(np.__version__.startswith("2."))
        _, ext = self.load_one("numpy==1.26.4")
        self.assertEqual({"numpy": "1.26.4"}, ext.versions())

        tensor = torch.arange(60_000.0).reshape(200, 300).t()
        self.assertEqual(("numpy.ndarray", "float32", (4, 1200)), ext.describe(tensor))
        again = ext.echo({"x": [tensor]})["x"][0]
        self.assertIs(torch.Tensor, type(again))
        self.assertEqual(tensor.stride(), again.stride())
        self.assertTrue(torch.equal(tensor, again))

        shared = pyisolate.share(torch.zeros(1000, requires_grad=True))
        self.assertTrue(shared.requires_grad)
        shared = shared.detach()
        ext.add(shared, 2)
        self.assertEqual(2, shared[7])
        again = ext.echo(shared[5:])
        again[2] = 5
        self.assertEqual(5, shared[7])
        self.assertEqual(shared[5:].data_ptr(), again.data_ptr())

        half = pyisolate.zeros((4, 4), torch.bfloat16)
        self.assertEqual(("pyisolate.Tensor", "bfloat16", (4, 1)), ext.describe(half))
        again = ext.echo(half)
        again.fill_(3)
        self.assertEqual(3, half[0, 0])

        for n in (3, 50_000):
            weights = torch.ones(n, requires_grad=True)
            again, view, bits = ext.look_at(weights)
            self.assertTrue(again.requires_grad and again.is_leaf and view.requires_grad)
            self.assertFalse(bits.requires_grad)
            self.assertTrue(torch.equal(weights, again))

        array = np.arange(50_000.0)[::-2]
        self.assertEqual(("numpy.ndarray", "float64", (-16,)), ext.describe(array))
        self.assertTrue((array == ext.echo(array)).all())

        mine, private = ext.make(50_000)
        self.assertIs(np.ndarray, type(mine))
        self.assertEqual(49_999, private[-1])
        mine[0] = 7
        self.assertEqual(7, ext.take()[0])

    def test_random_arrays(self):
        import numpy as np

        source = random.Random(SEED)
        _, ext = self.load_one("numpy==1.26.4")
        for number in range(N_CASES):
            shape = [source.choice((0, 1, 2, 3, 7, 40)) for _ in range(source.randrange(4))]
            dtype = source.choice("?bhilqBHILQefdFD")
            array = np.ones(shape, dtype, order=source.choice("CF"))
            array = np.asarray(array * source.randrange(2)).astype(dtype)
            if array.ndim:
                array = array[:: source.choice((1, 2, -1))].transpose()
            if source.random() < 0.3:
                array = pyisolate.share(array)
            again = ext.echo([array])[0]
            with self.subTest(number=number, dtype=dtype, shape=shape):
                self.assertEqual(array.dtype, again.dtype)
                self.assertEqual(array.strides, again.strides)
                self.assertEqual(array.tobytes(), again.tobytes())
                if pyisolate.is_shared(array):
                    self.assertEqual(array.ctypes.data, again.ctypes.data)

    def test_share_torch(self):
        import torch

        _, ext = self.load_one("numpy==1.26.4", share_torch=True)
        self.assertEqual(
            {"numpy": "1.26.4", "torch": importlib.metadata.version("torch")},
            ext.versions(),
        )
        self.assertEqual(os.path.realpath(torch.__file__), ext.where())
        self.check_moved(ext)
        self.check_left_where_it_is(ext)
        self.check_shared_with_others(ext)
        tensor = torch.ones(3, 5, dtype=torch.bfloat16).t()
        self.assertEqual(("torch.Tensor", "torch.bfloat16", (1, 5)), ext.describe(tensor))
        self.assertTrue(torch.equal(tensor, ext.echo(tensor)))

    def check_moved_alone(self, ext):
        """One tensor with a storage for itself: nobody can tell, and others keep theirs."""
        import torch

        for make in (
            lambda: torch.arange(20_000.0),
            lambda: torch.nn.Parameter(torch.arange(20_000.0)),
            lambda: torch.arange(40_000.0)[::2],
            lambda: torch.arange(20_000.0).reshape(100, 200).T,
            lambda: torch.arange(20_010.0)[10:],
        ):
            tensor = make()
            expected = tensor.detach().clone()
            version, strides = tensor._version, tensor.stride()
            requires_grad, offset = tensor.requires_grad, tensor.storage_offset()
            ext.keep(tensor)
            self.assertTrue(pyisolate.is_shared(tensor))
            self.assertIs(type(tensor), type(make()))
            self.assertEqual(
                (version, strides, requires_grad, offset),
                (tensor._version, tensor.stride(), tensor.requires_grad, tensor.storage_offset()),
            )
            self.assertTrue(torch.equal(tensor.detach(), expected))
            tensor.detach()[3] = -1
            self.assertEqual(-1, ext.take().reshape(tensor.shape)[3].reshape(-1)[0])

        # What autograd has saved is neither changed nor lost.
        weight, factor = torch.ones(20_000, requires_grad=True), torch.arange(20_000.0)
        product = (weight * factor).sum()
        ext.echo(factor)
        ext.echo(weight)
        self.assertFalse(pyisolate.is_shared(factor) or pyisolate.is_shared(weight))
        product.backward()
        self.assertTrue(torch.equal(weight.grad, torch.arange(20_000.0)))
        del product  # it holds both
        ext.echo([factor, weight])
        self.assertTrue(pyisolate.is_shared(factor) and pyisolate.is_shared(weight))

        # Whoever else looks into a storage follows it.
        tensor = torch.zeros(20_000)
        storage, alias = tensor.untyped_storage(), tensor.detach()
        ext.echo(tensor)
        alias[5] = 3
        self.assertEqual((3, tensor.data_ptr()), (tensor[5], storage.data_ptr()))
        tensor = torch.zeros(20_000)
        storage = tensor.untyped_storage()
        ext.echo(tensor)
        self.assertEqual(tensor.data_ptr(), storage.data_ptr())

    def check_left_where_it_is(self, ext):
        """Whoever looks at it without a tensor goes on. Freed memory of this size is unmapped."""
        import io
        from array import array

        import numpy as np
        import torch

        n = 10_000_000

        def load(tensor):
            file = io.BytesIO()
            torch.save(tensor, file)
            file.seek(0)
            return torch.load(file)

        for kind, look, moves_later in (
            ("array", lambda t: (t, t.numpy()), False),
            ("array of a view", lambda t: (t, t[5:].numpy()), False),
            ("array of an alias", lambda t: (torch.nn.Parameter(t), t.numpy()), False),
            ("memoryview", lambda t: (t, memoryview(t.numpy())), False),
            ("from NumPy", lambda t: (torch.from_numpy(a := np.ones(n, "f4")), a), False),
            (
                "from a buffer",
                lambda t: (torch.frombuffer(a := array("f", [1]) * n, dtype=torch.float32), a),
                False,
            ),
            ("loaded", lambda t: (a := load(t), a.detach()), False),
            ("DLPack", lambda t: (t, np.from_dlpack(t)), True),
            ("DLPack of the base", lambda t: (t[5:], np.from_dlpack(t)), True),
            ("capsule", lambda t: (t, torch.from_dlpack(t.__dlpack__())), True),
            ("view", lambda t: (t, t[5:]), True),
        ):
            tensor, seen = look(torch.ones(n))
            with self.subTest(kind):
                place = tensor.data_ptr()
                self.assertTrue(torch.equal(tensor, ext.echo(tensor)))
                self.assertEqual(place, tensor.data_ptr())
                self.assertFalse(pyisolate.is_shared(tensor))
                seen[-1] = 7
                self.assertEqual(7, tensor[-1])
                del seen
                ext.echo(tensor)
                self.assertEqual(moves_later, pyisolate.is_shared(tensor))
                tensor = tensor.clone()
                ext.echo(tensor)
                self.assertTrue(pyisolate.is_shared(tensor))

    def check_shared_with_others(self, ext):
        """What torch shares with another process stays shared with it."""
        import mmap
        import struct

        import torch

        module = torch.nn.Linear(200, 200).share_memory()
        tensor = module.weight.detach()
        fd, size = tensor.untyped_storage()._share_fd_cpu_()
        with mmap.mmap(fd, size) as other:  # as in that process
            for value in (tensor, tensor[10:], module.weight):
                self.assertTrue(torch.equal(value, ext.echo(value)))
                tensor.add_(1)
                self.assertEqual(tensor[0, 0], struct.unpack("f", other[:4])[0])
                self.assertNotIn("pyisolate", os.readlink(f"/proc/self/fd/{fd}"))

    def check_moved(self, ext):
        """A storage of the host's moves into shared memory when it is passed first."""
        import torch

        before = count()[:2]
        self.check_moved_alone(ext)
        tensor = torch.arange(50_000.0)
        view = tensor[100:].reshape(-1, 100)
        self.assertFalse(pyisolate.is_shared(tensor))
        ext.add(view, 1)
        self.assertTrue(pyisolate.is_shared(tensor))
        self.assertEqual([99, 101], [tensor[99], tensor[100]])
        self.assertTrue(torch.equal(view, torch.arange(101.0, 50_001).reshape(-1, 100)))
        ext.keep(tensor)
        tensor[0] = 7
        self.assertEqual(7, ext.take()[0])
        again = ext.echo(tensor)
        again[1] = 8
        self.assertEqual(8, tensor[1])
        # What torch itself would pass to another process is the same memory.
        self.assertTrue(tensor.is_shared())
        fd, size = tensor.untyped_storage()._share_fd_cpu_()
        self.assertIn("memfd:pyisolate", os.readlink(f"/proc/self/fd/{fd}"))
        self.assertEqual(tensor.nbytes, size)
        parameter = torch.nn.Parameter(torch.ones(20_000))
        ext.echo(parameter)
        self.assertTrue(pyisolate.is_shared(parameter))
        self.assertTrue(parameter.requires_grad)
        # What a module tells of its parameters takes them along.
        module = torch.nn.Linear(100, 100)
        module(torch.ones(100)).sum().backward()
        ext.keep(module.state_dict()["weight"])
        self.assertTrue(pyisolate.is_shared(module.weight))
        module.weight.data[0, 0] = 9
        self.assertEqual(9, ext.take()[0, 0])
        del tensor, view, again, parameter, module
        wait_until(lambda: count()[:2] <= before)

    def test_neither_there(self):
        import numpy as np
        import torch

        _, ext = self.load_one()
        for value, kind in [(np.ones((2, 3)), np.ndarray), (torch.ones(2, 3), torch.Tensor)]:
            self.assertEqual("pyisolate.Tensor", ext.describe(value)[0])
            again = ext.echo(value)
            self.assertIs(kind, type(again))
            self.assertEqual(value.tolist(), again.tolist())

    def test_stopped_receiver(self):
        """What was sent and dropped is there when the receiver goes on."""
        import asyncio

        import numpy as np

        extension, _ = self.load_one("numpy==1.26.4")

        async def main():
            await extension.echo(np.zeros(1))
            os.kill(extension.pid, signal.SIGSTOP)
            calls = []
            for number in range(10):
                for array in (np.full(100_000, number), pyisolate.share(np.full(10, number))):
                    calls.append(asyncio.ensure_future(extension.keep(array)))
                    await asyncio.sleep(0)
                    array = None
            gc.collect()
            if SLOW:
                await asyncio.sleep(10)
            os.kill(extension.pid, signal.SIGCONT)
            await asyncio.gather(*calls)
            return [await extension.take() for _ in calls]

        seen = self.run_async(main())
        wanted = [(number, size) for number in range(10) for size in (100_000, 10)]
        self.assertEqual(wanted, sorted(((int(a[0]), a.size) for a in seen), key=wanted.index))
        for array in seen:
            self.assertTrue((array == array[0]).all())

    def test_many_passes(self):
        import numpy as np

        source = random.Random(SEED)
        _, ext = self.load_one("numpy==1.26.4")

        def once():
            array = np.empty(source.randrange(1, 60_000), "u1")
            if source.random() < 0.5:
                array = pyisolate.share(array)
            self.assertEqual(array.size, ext.echo(array).size)

        for _ in range(N_PASSES // 4):
            once()
        before = *ext.count(), *count()
        for _ in range(N_PASSES):
            once()
        # Mappings, descriptors, and 8 MiB of pages.
        most = [n + more for n, more in zip(before, (20, 20, 2048) * 2)]
        wait_until(lambda: all(n < m for m, n in zip(most, (*ext.count(), *count()))))

    def test_killed_at_random_moments(self):
        import numpy as np

        source = random.Random(SEED)
        n_kills = 200 if SLOW else 5
        manager = self.make_manager()
        config = {"dependencies": ["numpy==1.26.4"], "module_path": self.write(EXTENSION)}
        before = None
        for number in range(n_kills):
            extension = manager.load_extension(
                pyisolate.ExtensionConfig(name=f"e{number}", **config)
            )
            pid = extension.sync.echo(os.getpid()) and extension.pid
            array = pyisolate.share(np.zeros(50_000))
            extension.sync.keep(array)
            end = time.monotonic() + source.random() * 0.05

            async def main(extension=extension, array=array, pid=pid, end=end):
                import asyncio

                calls = [asyncio.ensure_future(extension.echo(array)) for _ in range(3)]
                await asyncio.sleep(max(0, end - time.monotonic()))
                os.kill(pid, signal.SIGKILL)
                calls.append(asyncio.ensure_future(extension.echo(np.ones(40_000))))
                return await asyncio.gather(*calls, return_exceptions=True)

            for outcome in self.run_async(main()):
                if not isinstance(outcome, np.ndarray):
                    self.assertIsInstance(outcome, pyisolate.Error)
            array = outcome = extension = None
            manager.stop_extension(f"e{number}")
            if number == 2:
                before = count()
        most = before[0] + 5, before[1] + 10
        wait_until(lambda: all(n < m for m, n in zip(most, count())))
        self.assertEqual([], [name for name in os.listdir("/dev/shm") if "pyisolate" in name])


if __name__ == "__main__":
    unittest.main()
