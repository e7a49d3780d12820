# SPDX-License-Identifier: MIT
"""An extension of plain functions: all of them run on the main thread."""

import os
import re
import time

import pyisolate

last = {}


def echo(value):
    return value


def echo_all(*args, **kwargs):
    return [list(args), kwargs]


def add(a, b):
    return a + b


def text_of(value):
    return repr(value)


def environment(name):
    return os.environ.get(name)


def where():
    return [os.getcwd(), os.path.expanduser("~"), pyisolate.state_directory]


def name():
    return pyisolate.extension_name


def write_to(descriptor, text):
    with os.fdopen(descriptor.detach(), "w") as file:
        file.write(text)
    return len(text)


def open_file(path):
    return ["here", pyisolate.FileDescriptor(os.open(path, os.O_RDONLY))]


def open_many(n):
    return [pyisolate.FileDescriptor(os.open(os.devnull, os.O_RDONLY)) for _ in range(n)]


def hold_gil(n):
    """One C function that never lets go of the GIL, for about n * 10 ns."""
    pyisolate.progress(0, "begun")
    return sum(range(n))


def spin():
    """Busy in pure Python until cancelled; remembers when that was."""
    try:
        pyisolate.progress(0, "begun")
        while True:
            pass
    except pyisolate.CallCancelled:
        last["cancelled"] = time.monotonic()
        raise


def cancelled_at():
    return last.pop("cancelled", -1.0)


def tell(count):
    """Events and progress, in order with the answer."""
    for i in range(count):
        pyisolate.progress(i / count, f"step {i}")
        pyisolate.emit_event("counted", i)
    return "told"


def fail(message):
    raise ValueError(message)


def unsendable():
    return {"nested": [1, re.compile("x")]}


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def big(size):
    return b"x" * size


def numbers(count):
    return [1] * count


def long_values(size):
    return {
        "bytes": b"b" * size,
        "text": "ä" * size,
        "list": ["short", (b"c" * size, 7)],
        "bytearray": bytearray(size),
    }
