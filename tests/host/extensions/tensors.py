# SPDX-License-Identifier: MIT
"""Takes and gives tensors, in an environment without NumPy."""

import pyisolate

kept = []


def echo(value):
    return value


def take(value):
    return 1


def nested(tensor):
    return {"list": [tensor, (tensor,)], "text": "x"}


def first_of_all(file, value, named):
    with file:
        return [first(tensor) for tensor in [*value["list"], value["maybe"], named]]


def describe(tensor):
    view = memoryview(tensor)
    return (view.format, list(view.shape), list(view.strides), view.readonly)


def first(tensor):
    return memoryview(tensor).tolist()[0]


def write(tensor, value):
    memoryview(tensor)[0] = value


def write_read_only(tensor):
    """Where Python keeps nobody from it, as torch does not: by the address."""
    import ctypes

    view = memoryview(tensor)
    buffer = (ctypes.c_char * view.nbytes).from_address(address_of(view))
    buffer[0] = b"\7"
    return view[0]


def address_of(view):
    import ctypes

    class Buffer(ctypes.Structure):
        _fields_ = [
            ("buf", ctypes.c_void_p),
            ("obj", ctypes.py_object),
            ("len", ctypes.c_ssize_t),
            ("itemsize", ctypes.c_ssize_t),
            ("readonly", ctypes.c_int),
            ("ndim", ctypes.c_int),
            ("format", ctypes.c_char_p),
            ("shape", ctypes.c_void_p),
            ("strides", ctypes.c_void_p),
            ("suboffsets", ctypes.c_void_p),
            ("internal", ctypes.c_void_p),
        ]

    buffer = Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0)
    address = buffer.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address


def is_shared(tensor):
    return pyisolate.is_shared(tensor)


def limit_address_space(more):
    """To so many bytes more than it has; -1: not any more. False: nobody knows what it has."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    if size > 1 << 40:  # of a sanitizer, which takes more when it wants
        return False
    resource.setrlimit(resource.RLIMIT_AS, (most if more < 0 else size + more, most))
    return True


def keep(tensor):
    kept.append(tensor)


def drop():
    kept.clear()


def collect():
    """Everything that is left of earlier calls has gone when this returns."""
    import gc

    gc.collect()


def make(count):
    tensor = pyisolate.zeros((count,), "uint8")
    memoryview(tensor)[0] = 1
    return tensor


def tell(tensor):
    pyisolate.emit_event("picture", {"text": "x", "picture": tensor})


def refuse(tensor):
    raise ValueError("of no use", tensor)


def make_many(count, size):
    for _ in range(count):
        kept.append(pyisolate.zeros((size,), "uint8"))


async def double(tensor):
    return await pyisolate.singleton("service").double(tensor)
