# SPDX-License-Identifier: MIT
"""Arrays of NumPy and torch in the codec, with the versions of both that this runs with.

PYISOLATE_TEST_ARRAYS says what is there: numpy, torch, or both with a comma between. With
"capsules", too, torch gives and takes tensors as it did before DLPack 1.3.
"""

import dataclasses
import gc
import os
import random
import subprocess
import sys
import unittest
import warnings

import _test_codec as codec

SEED = int(os.environ.get("PYISOLATE_TEST_SEED") or random.SystemRandom().getrandbits(32))
# To import torch takes a minute where the machine is busy; nothing may hang.
DEADLINE = 240
N_CASES = 2000
HERE = os.environ["PYISOLATE_TEST_ARRAYS"].split(",")
BY_CAPSULES = "capsules" in HERE
if BY_CAPSULES:
    HERE.remove("capsules")

# Nothing that was done so far may have needed them.
assert "numpy" not in sys.modules
assert "torch" not in sys.modules

if "numpy" in HERE:
    import numpy as np

    NUMPY_DTYPES = [
        *"?bhilqBHILQefdFD",
        *("bool", "int64", "uint8", "float16", "float32", "complex128"),
    ]
if "torch" in HERE:
    warnings.simplefilter("ignore")
    import torch

    SMALL_FLOATS = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]
    INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    OTHERS = ["bool", "float16", "float32", "float64", "bfloat16", "complex64", "complex128"]
    TORCH_DTYPES = [getattr(torch, name) for name in [*INTS, *OTHERS, *SMALL_FLOATS]]
    if BY_CAPSULES:
        del torch.Tensor.__dlpack_c_exchange_api__


def setUpModule():
    versions = " ".join(f"{name} {sys.modules[name].__version__}" for name in HERE)
    print(f"# {sys.version.split()[0]}, {versions}, PYISOLATE_TEST_SEED={SEED}", flush=True)


@dataclasses.dataclass
class Image:
    name: str
    pixels: object


codec.register_type(Image, "image")


def pass_on(value, foreign=False, readonly=False):
    body, memories, _ = codec.encode_shared(value, readonly)
    return codec.decode_shared(body, memories, foreign)


def travel(source, value):
    """By one of the ways that there are, and at one of many places."""
    way = source.randrange(3)
    wrap, unwrap = source.choice(
        [
            (lambda v: v, lambda v: v),
            (lambda v: [1, {"a": (v, "b")}], lambda v: v[1]["a"][0]),
            (lambda v: Image("x", [v]), lambda v: v.pixels[0]),
            (lambda v: {(1, 2): {"x": v}}, lambda v: v[(1, 2)]["x"]),
        ]
    )
    if way == 0:
        return unwrap(codec.decode(codec.encode(wrap(value))))
    return unwrap(pass_on(wrap(value), way == 1))


def random_shape(source):
    n = source.choice((0, 1, 1, 2, 2, 3, 4))
    return tuple(source.choice((0, 1, 1, 2, 3, 5, 8, 40)) for _ in range(n))


def count_mappings():
    gc.collect()
    with open("/proc/self/maps") as maps:
        return sum("memfd:pyisolate" in line for line in maps)


class Arrays(unittest.TestCase):
    def setUp(self):
        self.before = count_mappings()
        self.source = random.Random(SEED)

    def tearDown(self):
        self.assertEqual(0, count_mappings() - self.before)


class NumPy(Arrays):
    def random_array(self):
        source = self.source
        shape = random_shape(source)
        dtype = np.dtype(source.choice(NUMPY_DTYPES))
        size = int(np.prod(shape))
        bits = np.frombuffer(source.randbytes(size * dtype.itemsize), "u1")
        array = (bits % 2).view("?") if dtype.kind == "b" else bits.view(dtype)
        array = array.reshape(shape).copy(order=source.choice("CF"))
        for _ in range(source.randrange(3)):
            array = self.random_view(array)
        if source.random() < 0.2:
            array = codec.share(array, readonly=source.random() < 0.3)
        if source.random() < 0.2:
            array.flags.writeable = False
        return array

    def random_view(self, array):
        source = self.source
        if array.ndim == 0:
            return array
        choice = source.randrange(5)
        if choice == 0:
            return array.transpose(source.sample(range(array.ndim), array.ndim))
        if choice == 1:
            return np.broadcast_to(array, (3, *array.shape))
        if choice == 2:
            return array[..., np.newaxis]
        steps = [source.choice((1, 1, 2, -1, -3)) for _ in array.shape]
        return array[tuple(slice(None, None, step) for step in steps)]

    def check(self, array):
        again = travel(self.source, array)
        self.assertIs(np.ndarray, type(again))
        self.assertEqual(array.dtype, again.dtype)
        self.assertEqual(array.shape, again.shape)
        self.assertEqual(array.strides, again.strides)
        self.assertEqual(array.flags.writeable, again.flags.writeable)
        self.assertEqual(array.tobytes(), again.tobytes())

    def test_round_trip(self):
        for number in range(N_CASES):
            array = self.random_array()
            with self.subTest(number=number, dtype=array.dtype, shape=array.shape):
                self.check(array)

    def test_large(self):
        array = np.arange(500_000, dtype="f8").reshape(500, 1000)
        for view in (array, array.T, array[::-1, ::7], array[3:5], array[:0]):
            self.check(view)

    def test_identity(self):
        array = codec.zeros((100, 100), "float32")
        self.assertTrue(codec.is_shared(array))
        self.assertTrue(codec.is_shared(array[3:, ::2]))
        self.assertFalse(codec.is_shared(np.zeros(3)))
        view = array[10:20, ::-3]
        for foreign in (False, True):
            again = pass_on([view], foreign)[0]
            view[...] = 1
            self.assertTrue((again == 1).all())
            again[...] = 2
            self.assertTrue((view == 2).all())
            self.assertEqual(view.strides, again.strides)

    def test_life(self):
        array = codec.share(np.arange(10_000.0))
        again = pass_on(array, True)
        del array
        kept = again[5:7][::-1]
        del again
        self.assertEqual([6.0, 5.0], kept.tolist())
        self.assertEqual(1, count_mappings() - self.before)

    def test_a_view_ships_its_window(self):
        array = np.zeros((1000, 1000))
        body, memories, n = codec.encode_shared(array[500:503, 100:200])
        self.assertEqual(1, n)
        self.assertEqual((3, 100), codec.decode_shared(body, memories).shape)
        self.assertLess(codec.memory_size(memories, 0), 2 * 8 * 1000 * 3)

    def test_shared_once(self):
        array = np.ones(50_000)
        shared = codec.from_numpy(array)
        self.assertIs(shared, codec.from_numpy(shared))
        self.assertIs(shared, codec.share(shared))
        shared[0] = 5
        self.assertEqual(1, array[0])
        with self.assertRaises(TypeError):
            codec.from_numpy([1, 2])

    def test_read_only(self):
        array = np.zeros(5000)
        again = pass_on(array, readonly=True)
        self.assertFalse(again.flags.writeable)
        shared = codec.zeros(5000)
        again = pass_on(shared, readonly=True)
        self.assertFalse(again.flags.writeable)
        shared[0] = 1
        self.assertEqual(0, again[0])
        public = codec.share(array, readonly=True)
        self.assertFalse(pass_on(public, True).flags.writeable)
        self.assertFalse(public.flags.writeable)

    def test_refused(self):
        for array in [
            np.array([object()]),
            np.zeros(3, ">i4"),
            np.zeros(3, "M8[s]"),
            np.zeros(3, "U3"),
            np.zeros(3, "S3"),
            np.zeros(3, [("a", "i4")]),
            np.zeros(3, "g"),
        ]:
            with self.subTest(dtype=array.dtype):
                with self.assertRaisesRegex(TypeError, r"dtype '.*result → \['x'\]\[1\]") as caught:
                    codec.encode_shared({"x": [0, array]})
                self.assertIn(str(array.dtype), str(caught.exception))
        for array in [np.ma.zeros(3), np.ones((1, 1)).view(np.matrix), np.rec.array([1])]:
            with self.subTest(type=type(array)), self.assertRaisesRegex(TypeError, "value of type"):
                codec.encode_shared(array)
        # From the first element to the last it is more than there are addresses.
        array = np.lib.stride_tricks.as_strided(np.zeros(1), (4,), (1 << 62,))
        with self.assertRaisesRegex(TypeError, "of such strides.*result → \\[0\\]"):
            codec.encode_shared([array])
        with self.assertRaisesRegex(TypeError, "of such strides"):
            codec.share(array)

    def test_fields_of_records(self):
        records = np.zeros(5, [("a", "u1"), ("b", "f8")])
        records["b"] = range(5)
        again = pass_on(records["b"])
        self.assertEqual([0, 1, 2, 3, 4], again.tolist())

    def test_scalars(self):
        for scalar in (np.float32(1.5), np.int8(-3), np.bool_(True), np.complex64(1j)):
            again = pass_on(scalar)
            self.assertIs(type(scalar.item()), type(again))
            self.assertEqual(scalar, again)


class Torch(Arrays):
    def random_tensor(self):
        source = self.source
        shape = random_shape(source)
        dtype = source.choice(TORCH_DTYPES)
        tensor = torch.randint(0, 2, shape).to(dtype)
        for _ in range(source.randrange(3)):
            choice = source.randrange(4)
            if choice == 0:
                tensor = tensor.permute(source.sample(range(tensor.ndim), tensor.ndim))
            elif choice == 1 and tensor.ndim:
                tensor = tensor.unsqueeze(0).expand(3, *tensor.shape)
            elif choice == 2 and tensor.ndim:
                tensor = tensor[:: source.choice((1, 2, 3))]
        if source.random() < 0.2:
            tensor = codec.share(tensor)
        if tensor.is_floating_point() and tensor.dtype.itemsize > 1 and source.random() < 0.3:
            tensor = tensor.detach().requires_grad_()
        return tensor

    def check(self, tensor):
        again = travel(self.source, tensor)
        self.assertIs(torch.Tensor, type(again))
        self.assertEqual(tensor.dtype, again.dtype)
        self.assertEqual(tensor.shape, again.shape)
        self.assertEqual(tensor.stride(), again.stride())
        self.assertEqual(tensor.requires_grad, again.requires_grad)
        self.assertTrue(torch.equal(bits(tensor), bits(again)))

    def test_round_trip(self):
        for number in range(N_CASES):
            tensor = self.random_tensor()
            with self.subTest(number=number, dtype=tensor.dtype, shape=tensor.shape):
                self.check(tensor)

    def test_large(self):
        tensor = torch.arange(500_000.0).reshape(500, 1000)
        for view in (tensor, tensor.t(), tensor[3:5], tensor[::7, ::3]):
            self.check(view)

    def test_offset(self):
        shared = codec.share(torch.arange(100.0).reshape(10, 10))
        view = shared[2:, ::3]
        again = pass_on(view, True)
        self.assertEqual(20, again.storage_offset())
        self.assertEqual(view.stride(), again.stride())
        again[1, 1] = -1
        self.assertEqual(-1, shared[3, 3])

    def test_parameter(self):
        again = pass_on(torch.nn.Parameter(torch.ones(3)))
        self.assertIs(torch.Tensor, type(again))
        self.assertTrue(again.requires_grad)

    def test_identity(self):
        tensor = codec.zeros((64, 64), torch.bfloat16)
        self.assertEqual(torch.bfloat16, tensor.dtype)
        for foreign in (False, True):
            again = pass_on({"t": tensor[3:, ::2]}, foreign)["t"]
            again.fill_(3)
            self.assertEqual(3, tensor[3, 0])
            tensor.zero_()
            self.assertEqual(0, again[0, 0])

    def test_life(self):
        again = pass_on(codec.share(torch.arange(10_000.0)), True)
        kept = again[5:7]
        del again
        self.assertEqual([5.0, 6.0], kept.tolist())
        self.assertEqual(1, count_mappings() - self.before)

    def test_refused(self):
        for tensor, word in [
            (torch.zeros(3, dtype=torch.complex64).conj(), "resolve_conj"),
            (torch.zeros(3, dtype=torch.complex64).conj().imag, "resolve_neg"),
            (torch.zeros(2, 2).to_sparse(), "sparse"),
            (torch.zeros(2, 2).to_sparse_csr(), "'torch.sparse_csr': call to_dense"),
            (torch.zeros(2, 2).to_sparse_csc(), "'torch.sparse_csc': call to_dense"),
            (torch.zeros(2, device="meta"), "meta"),
            (torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8), "quantized"),
            (torch.zeros(2, dtype=torch.complex32), "complex32"),
        ]:
            refused = self.assertRaisesRegex(TypeError, rf"{word}.*result → \['x'\]\[1\]")
            with self.subTest(word=word), refused:
                codec.encode_shared({"x": [0, tensor]})

    def test_storage_that_was_resized(self):
        small = [(3, 0, 0), (3, 1, 0), (3, 0, 4)]
        large = [(9000, 0, 0), (9000, 10, 0), (9000, 0, 35_996)]
        for length, offset, room in small + large:
            whole = torch.ones(length + offset)
            tensor = whole[offset:]
            tensor.untyped_storage().resize_(room)
            kept = codec.share(torch.arange(5000.0))
            refused = self.assertRaisesRegex(TypeError, r"larger than its storage.*result → \[1\]")
            with self.subTest(length=length, offset=offset, room=room), refused:
                codec.encode_shared([kept, tensor])
            with self.assertRaises(TypeError):
                codec.share(tensor)
        emptied = torch.ones(3)
        emptied.untyped_storage().resize_(0)
        self.assertEqual((0,), tuple(pass_on(emptied[:0]).shape))

    def test_write_to_read_only(self):
        shared = codec.share(torch.zeros(5000), readonly=True)
        again = pass_on(shared, True)
        again.fill_(1)
        self.assertEqual(0, shared[0])
        shared.fill_(2)
        self.assertEqual(2, pass_on(shared, True)[0])


def bits(tensor):
    copy = torch.empty(tensor.shape, dtype=tensor.dtype)
    copy.copy_(tensor.detach())
    return copy.reshape(-1).view(torch.uint8)


class Both(Arrays):
    def test_dtypes_ask_for_a_kind(self):
        self.assertIs(np.ndarray, type(codec.empty(3)))
        self.assertEqual("float32", codec.empty(3).dtype)
        self.assertEqual("int16", codec.empty(3, np.int16).dtype)
        self.assertEqual("int16", codec.empty(3, np.dtype("i2")).dtype)
        for dtype in (bool, int, float, complex):
            self.assertEqual(np.zeros(3, dtype).dtype, codec.zeros(3, dtype).dtype)
        self.assertIs(torch.Tensor, type(codec.zeros(3, torch.int16)))
        # NumPy has none of these.
        self.assertIs(torch.Tensor, type(codec.zeros(3, "bfloat16")))

    def test_fallbacks(self):
        """What arrives where its own library is not, and comes back from there."""
        program = """
import sys
sys.modules["torch"] = None
import _test_codec as codec
values = codec.decode(sys.stdin.buffer.read())
strides = values[0].strides
values = [*values, values[2][3:], [type(v).__name__ for v in values], strides]
sys.stdout.buffer.write(codec.encode(values))
"""
        tensors = [
            torch.arange(6.0).reshape(2, 3).t(),
            torch.ones(3, dtype=torch.bfloat16),
            torch.arange(50),
        ]
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=codec.encode(tensors),
            stdout=subprocess.PIPE,
            check=True,
            timeout=DEADLINE,
        )
        *back, names, strides = codec.decode(done.stdout)
        self.assertEqual(["ndarray", "Tensor", "ndarray"], names)
        self.assertEqual(tensors[0].stride(), tuple(stride // 4 for stride in strides))
        self.assertEqual([torch.Tensor] * 4, [type(tensor) for tensor in back])
        for one, other in zip([*tensors, tensors[2][3:]], back):
            self.assertTrue(torch.equal(one, other))
            self.assertEqual(one.stride(), other.stride())

    def test_numpy_where_only_torch_is(self):
        """Each comes back as what it was sent; what is made there is torch's."""
        program = """
import sys
sys.modules["numpy"] = None
import _test_codec as codec
values = codec.decode(sys.stdin.buffer.read())
names = [type(value).__name__ for value in values]
first, last = values[0], values[-1]
values += [first[1:], first.t(), first + 1, last * 2]
sys.stdout.buffer.write(codec.encode([*values, names, first.stride()]))
"""
        arrays = [
            np.arange(12.0).reshape(3, 4).T,
            np.arange(12)[::-3],
            np.full((), 3, "f4"),
            np.broadcast_to(np.arange(3), (2, 3)),
            np.arange(20, dtype="i2")[7:],
            torch.arange(5),
        ]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            input=codec.encode(arrays),
            stdout=subprocess.PIPE,
            check=True,
            timeout=DEADLINE,
        )
        *back, names, strides = codec.decode(done.stdout)
        self.assertEqual(["Tensor"] * 6, names)
        self.assertEqual((1, 4), strides)
        kinds = [np.ndarray] * 5 + [torch.Tensor] + [np.ndarray] * 2 + [torch.Tensor] * 2
        self.assertEqual(kinds, [type(array) for array in back])
        expected = [*arrays, arrays[0][1:], arrays[0].T, torch.tensor(arrays[0] + 1), arrays[5] * 2]
        for one, other in zip(expected, back):
            self.assertEqual(one.tolist(), other.tolist())
            self.assertEqual(one.dtype, other.dtype)
            if isinstance(one, np.ndarray):
                self.assertEqual(one.strides, other.strides)
                self.assertEqual(one.flags.writeable, other.flags.writeable)


class Imports(unittest.TestCase):
    def test_nothing_is_imported_early(self):
        program = """
import sys
import _test_codec as codec
codec.decode(codec.encode([1, {"a": b"b"}, 2.5, (None,)]))
tensor_type = codec.Tensor
assert "numpy" not in sys.modules and "torch" not in sys.modules
for name in sys.argv[1:]:
    module = __import__(name)
    value = module.ones(3)
    body = codec.encode(value)
    kept = {n: m for n, m in sys.modules.items()}
    again = codec.decode(body)
    assert type(again) is type(value), again
assert ("torch" in sys.modules) == ("torch" in sys.argv), "torch"
"""
        for names in ([], *([name] for name in HERE)):
            subprocess.run([sys.executable, "-c", program, *names], check=True, timeout=DEADLINE)


if "numpy" not in HERE:
    del NumPy
if "torch" not in HERE:
    del Torch
if len(HERE) < 2:
    del Both

if __name__ == "__main__":
    unittest.main()
