# SPDX-License-Identifier: MIT
"""Tensors in the codec where there is neither NumPy nor torch: buffers, life, hostile bytes."""

import ctypes
import gc
import os
import random
import struct
import sys
import threading
import unittest

import _test_codec as codec

# Though the interpreter has them.
sys.modules["numpy"] = sys.modules["torch"] = None

SEED = int(os.environ.get("PYISOLATE_TEST_SEED") or random.SystemRandom().getrandbits(32))

FORMATS = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "bfloat16": "H",
    "complex64": "Zf",
    "complex128": "Zd",
    "float8_e4m3fn": "B",
    "float8_e4m3fnuz": "B",
    "float8_e5m2": "B",
    "float8_e5m2fnuz": "B",
    "float8_e8m0fnu": "B",
}


def setUpModule():
    print(f"# {sys.version.split()[0]}, PYISOLATE_TEST_SEED={SEED}", flush=True)


def pass_on(value, foreign=False, readonly=False):
    body, memories, _ = codec.encode_shared(value, readonly)
    return codec.decode_shared(body, memories, foreign)


def count_mappings():
    gc.collect()
    with open("/proc/self/maps") as maps:
        return sum("memfd:pyisolate" in line for line in maps)


class Tensors(unittest.TestCase):
    def setUp(self):
        self.before = count_mappings()

    def tearDown(self):
        self.assertEqual(0, self.count())

    def count(self):
        return count_mappings() - self.before

    def test_every_dtype(self):
        for dtype, letter in FORMATS.items():
            with self.subTest(dtype=dtype):
                tensor = codec.zeros((2, 3), dtype)
                view = memoryview(tensor)
                self.assertEqual(letter, view.format)
                self.assertEqual((2, 3), view.shape)
                self.assertEqual((3 * view.itemsize, view.itemsize), view.strides)
                self.assertEqual(dtype, tensor.dtype)
                self.assertEqual((2, 3), tensor.shape)
                self.assertEqual((3, 1), tensor.strides)
                self.assertEqual("cpu", tensor.device)
                self.assertEqual(view.nbytes, tensor.nbytes)
                self.assertIs(False, tensor.readonly)
                self.assertEqual(bytes(view.nbytes), view.tobytes())
                again = pass_on(tensor)
                self.assertIs(type(tensor), type(again))
                self.assertEqual(dtype, again.dtype)
                self.assertEqual((2, 3), again.shape)

    def test_same_memory(self):
        tensor = codec.zeros(1000, "int32")
        again = pass_on([{"deep": (tensor,)}])[0]["deep"][0]
        memoryview(again)[3] = 7
        self.assertEqual(7, memoryview(tensor)[3])
        other = pass_on(tensor, foreign=True)
        memoryview(other)[4] = 8
        self.assertEqual(8, memoryview(tensor)[4])

    def test_named_once(self):
        tensor = codec.zeros(1000)
        body, memories, n = codec.encode_shared([tensor] * 50)
        self.assertEqual(1, n)
        self.assertEqual(50, len(codec.decode_shared(body, memories)))

    def test_inline(self):
        """Without shared memory around, a tensor travels in the value."""
        tensor = codec.zeros((3, 4), "uint8")
        memoryview(tensor)[1, 2] = 9
        again = codec.decode(codec.encode(tensor))
        self.assertEqual(memoryview(tensor).tolist(), memoryview(again).tolist())
        memoryview(again)[0, 0] = 1
        self.assertEqual(0, memoryview(tensor)[0, 0])

    def test_shapes(self):
        for shape in [(), 0, 5, (0, 3), (3, 0), (1, 1, 1), [2, 3], (1,) * 64]:
            with self.subTest(shape=shape):
                tensor = pass_on(codec.zeros(shape, "float64"))
                wanted = (shape,) if isinstance(shape, int) else tuple(shape)
                self.assertEqual(wanted, tensor.shape)
        for shape in [-1, (2, -1), (1,) * 65, (1 << 40, 1 << 40), "ab", (1.5,)]:
            with self.subTest(shape=shape), self.assertRaises((TypeError, ValueError)):
                codec.zeros(shape)
        for dtype in ["float31", "complex32", "U3", None, object(), "float32\0"]:
            with self.subTest(dtype=dtype), self.assertRaisesRegex(TypeError, "dtype"):
                codec.zeros(1, dtype)

    def test_no_memory(self):
        with self.assertRaisesRegex(ValueError, "overflow"):
            codec.empty(1 << 62, "complex128")
        with self.assertRaises(MemoryError):
            codec.empty(1 << 50, "uint8")

    def test_read_only(self):
        tensor = codec.zeros(2000, "uint8")
        shared = codec.share(tensor, readonly=True)
        self.assertIsNot(tensor, shared)
        self.assertIs(shared, codec.share(shared, readonly=True))
        self.assertIs(tensor, codec.share(tensor))
        for value in (
            pass_on(shared),
            pass_on(shared, foreign=True),
            pass_on(tensor, readonly=True),
        ):
            self.assertTrue(value.readonly)
            self.assertTrue(memoryview(value).readonly)
            with self.assertRaisesRegex(TypeError, "read-only"):
                memoryview(value)[0] = 1
        with self.assertRaisesRegex(TypeError, "no array"):
            codec.share([1])

    def test_write_to_read_only(self):
        """Whoever writes all the same writes to a copy of its own, and is not killed for it."""
        shared = codec.share(codec.zeros(1 << 16, "uint8"), readonly=True)
        other = pass_on(shared, foreign=True)
        capsule = other.__dlpack__(max_version=(1, 0))
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype = ctypes.c_void_p
        get.argtypes = [ctypes.py_object, ctypes.c_char_p]
        managed = get(capsule, b"dltensor_versioned")
        # version, context, deleter, flags, then the tensor, which begins with its data
        address = ctypes.c_void_p.from_address(managed + 32).value
        ctypes.memset(address, 1, 1 << 16)
        self.assertEqual(1, memoryview(other)[0])
        self.assertEqual(0, memoryview(shared)[0])

    def test_dlpack(self):
        tensor = codec.zeros((2, 2))
        self.assertEqual((1, 0), tensor.__dlpack_device__())
        self.assertIn('"dltensor"', repr(tensor.__dlpack__()))
        self.assertIn('"dltensor_versioned"', repr(tensor.__dlpack__(max_version=(1, 0))))
        with self.assertRaises(BufferError):
            codec.share(tensor, readonly=True).__dlpack__()
        with self.assertRaises(BufferError):
            tensor.__dlpack__(copy=True)
        with self.assertRaises(BufferError):
            tensor.__dlpack__(stream=1)
        # What was given lives by itself.
        capsule = tensor.__dlpack__()
        del tensor
        self.assertEqual(1, self.count())
        del capsule

    def test_neither_here(self):
        tensor = codec.zeros(1)
        for name in ("numpy", "torch"):
            with self.assertRaisesRegex(ModuleNotFoundError, name):
                getattr(tensor, name)()
        with self.assertRaisesRegex(TypeError, "empty"):
            type(tensor)()

    def test_life(self):
        tensor = codec.zeros(10)
        views = [memoryview(pass_on(tensor)) for _ in range(100)]
        self.assertEqual(1, self.count())
        del tensor
        self.assertEqual(1, self.count())
        last = views.pop()
        views.clear()
        last[0] = 1.5
        self.assertEqual(1.5, last[0])

    def test_threads(self):
        tensor = codec.zeros(10)

        def run():
            for _ in range(300):
                self.assertEqual((10,), pass_on(tensor, foreign=True).shape)
                codec.empty(5000)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_long_text(self):
        data = os.urandom(100_000)
        text = "é" * 100_000
        values = [data, bytearray(data), text, {"k": data}, (text, [memoryview(data)])]
        body, memories, n = codec.encode_shared(values)
        self.assertLess(len(body), 2000)
        self.assertEqual(6, n)
        again = codec.decode_shared(body, memories)
        self.assertEqual(values, again)
        for one, other in zip(values, again):
            self.assertIs(type(one), type(other))
        # What is made of memory that others can write to is a copy.
        again[1][0] ^= 1
        self.assertEqual(values, codec.decode_shared(body, memories))
        # Short ones stay in the value, and so do all where there is no shared memory.
        self.assertEqual(0, codec.encode_shared([data[:1000], text[:1000]])[2])
        self.assertEqual(values, codec.decode(codec.encode(values)))

    def test_a_failure_leaves_nothing(self):
        with self.assertRaisesRegex(TypeError, "object"):
            codec.encode_shared([codec.zeros(5), bytes(100_000), object()])

    def test_place(self):
        class Other:
            pass

        with self.assertRaisesRegex(TypeError, r"Other.*at result → \['a'\]\[1\]"):
            codec.encode_shared({"a": [codec.zeros(5), Other()]})


def tensor_body(
    kind=b"tensor",
    dtype=b"uint8",
    device=b"cpu",
    shape=(4,),
    strides=(1,),
    offset=0,
    flags=0,
    data=b"\0\0\0\0u",
    padding=0,
):
    """A value as the encoder writes it, with any numbers in it."""
    body = b""
    ends = []
    for text in (kind, dtype, device):
        body += text + b"\0"
        ends.append(len(body))
    for numbers in (shape, strides):
        body += bytes(-len(body) % 8) + struct.pack(f"={len(numbers)}q", *numbers)
        ends.append(len(body))
    body += bytes(-len(body) % 8) + struct.pack("=QI", offset, flags) + bytes(4)
    split = -2 if data.endswith(b"ay") else -1
    body += data[:split] + b"\0" + data[split:]
    body += bytes(padding)
    width = 1 if len(body) + len(ends) <= 255 else 2
    body += b"".join(end.to_bytes(width, "little") for end in reversed(ends))
    tag = b"/pyisolate/tensor\0"
    inner = tag + bytes(-len(tag) % 8) + body + b"\0(sssaxaxtuv)"
    width = 1 if len(inner) + 1 <= 255 else 2
    return inner + len(tag).to_bytes(width, "little") + b"\0(ov)"


class Hostile(unittest.TestCase):
    def setUp(self):
        _, self.memories, _ = codec.encode_shared(codec.zeros(4096, "uint8"))

    def decode(self, body):
        return codec.decode_shared(body, self.memories)

    def test_the_writer_here_is_right(self):
        tensor = codec.zeros((2, 3), "float32")
        body, _, _ = codec.encode_shared(tensor)
        # Where NumPy is installed, it would be NumPy's.
        wanted = tensor_body(kind=b"numpy", dtype=b"float32", shape=(2, 3), strides=(3, 1))
        self.assertEqual(body.hex(), wanted.hex())

    def test_numbers(self):
        self.assertEqual((4,), self.decode(tensor_body()).shape)
        most = (1 << 63) - 1
        for change in [
            {"shape": (4097,)},
            {"shape": (-1,)},
            {"shape": (most,)},
            {"shape": (most, most), "strides": (1, 1)},
            {"shape": (1 << 32, 1 << 32), "strides": (0, 0)},
            {"shape": (2,), "strides": (4096,)},
            {"shape": (2,), "strides": (most,)},
            {"shape": (3,), "strides": (-1 << 63,)},
            {"strides": (-1,)},
            {"strides": (-1,), "offset": 2},
            {"offset": 4093},
            {"offset": (1 << 64) - 1},
            {"offset": 1 << 63},
            {"dtype": b"float32", "offset": 2},
            {"dtype": b"float32", "shape": (1025,)},
            {"strides": ()},
            {"strides": (1, 1)},
            {"shape": (1,) * 65, "strides": (1,) * 65},
            {"dtype": b"float31"},
            {"dtype": b""},
            {"dtype": b"uint8\0x"},
            {"kind": b"os"},
            {"device": b"cuda:0"},
            {"flags": 4},
            {"flags": 0xFFFFFFFF},
            {"data": b"\1\0\0\0u"},
            {"data": b"\xff\xff\xff\xffu"},
            {"data": b"\0\0\0u"},
            {"data": b"\0\0\0\0x"},
            {"data": b"abcay"},
            {"data": b"u"},
            {"padding": 1},
        ]:
            with self.subTest(change=change), self.assertRaisesRegex(ValueError, "malformed value"):
                self.decode(tensor_body(**change))
        for change in [
            {"strides": (-1,), "offset": 3},
            {"shape": (4096,)},
            {"shape": (0,), "offset": 4096},
            {"shape": (0, most), "strides": (1, 1)},
            {"shape": (5,), "strides": (0,)},
            {"data": b"abcday"},
            {"shape": (1,) * 64, "strides": (most,) * 64},
            {"dtype": b"float32", "strides": (most,), "shape": (1,)},
            {"dtype": b"float32", "strides": (most, most), "shape": (0, 2)},
        ]:
            with self.subTest(change=change):
                memoryview(self.decode(tensor_body(**change)))

    def test_long_text(self):
        def body(index, size):
            tag = b"/pyisolate/bytes\0"
            inner = tag + bytes(-len(tag) % 8) + struct.pack("=IxxxxQ", index, size) + b"\0(ut)"
            return inner + bytes([len(tag)]) + b"\0(ov)"

        self.assertEqual(bytes(4096), self.decode(body(0, 4096)))
        for index, size in [(0, 4097), (1, 1), (0, (1 << 64) - 1), (0xFFFFFFFF, 0)]:
            refused = self.assertRaisesRegex(ValueError, "malformed value")
            with self.subTest(index=index, size=size), refused:
                self.decode(body(index, size))

    def test_the_same_memory_again_and_again(self):
        """A few bytes do not become many of them."""
        piece = 1 << 20
        for long in (bytes(piece), bytearray(piece), "x" * piece):
            values = [bytes(9000)] * 40 + [long]
            body, memories, n = codec.encode_shared(values)
            self.assertEqual(41, n)
            self.assertEqual(values, codec.decode_shared(body, memories))
            codec.name_again(memories, 40)
            payload = struct.pack("=IxxxxQ", 0, 9000)
            self.assertEqual(1, body.count(payload))
            for number in (40, 41):
                hostile = body.replace(payload, struct.pack("=IxxxxQ", number, piece))
                refused = self.assertRaisesRegex(ValueError, "malformed value: the same memory")
                with self.subTest(type=type(long), number=number), refused:
                    codec.decode_shared(hostile, memories)

    def test_mutations(self):
        """Bytes changed at random are a ValueError or a tensor inside of its memory."""
        source = random.Random(SEED)
        good = [
            tensor_body(dtype=b"float32", shape=(2, 3), strides=(3, 1)),
            tensor_body(shape=(4,), data=b"abcday"),
            tensor_body(kind=b"numpy", shape=(), strides=()),
        ]
        n_good = 0
        for _ in range(30_000):
            body = bytearray(source.choice(good))
            for _ in range(source.randint(1, 3)):
                body[source.randrange(len(body))] = source.choice(
                    (0, 1, 255, source.getrandbits(8))
                )
            try:
                value = self.decode(bytes(body))
            except ValueError:
                continue
            if hasattr(value, "dtype"):
                n_good += 1
                view = memoryview(value)
                # Of strides of 0 there can be any number of elements.
                if view.nbytes < 1 << 20:
                    view.tobytes()
        self.assertGreater(n_good, 100)


if __name__ == "__main__":
    unittest.main()
