# SPDX-License-Identifier: MIT
"""The list of workloads."""

import functools

from . import arrays, values
from .model import Workload

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
IMAGE_8K = 7680 * 4320 * 3 * 4
MODEL = 6 * GIB
OURS = ("c ", "python ", "gjs")
SHARING = ("python await", "shared_memory", "torch.multiprocessing", "pyisolate 0.10")


def calls():
    yield Workload("int", "echo", "int", quick=True)
    yield Workload("int-unpinned", "echo", "int, not pinned", pinned=False, quick=True)
    for length, quick in ((10, False), (100, True), (10_000, False), (1_000_000, False)):
        make = functools.partial(values.text, length)
        yield Workload(
            f"str-{length}", "echo", f"str of {length:,}", make, n_bytes=length, quick=quick
        )
    sizes = (
        ("1k", KIB, False),
        ("64k", 64 * KIB, True),
        ("1m", MIB, True),
        ("16m", 16 * MIB, False),
    )
    for name, size, quick in sizes:
        make = functools.partial(values.blob, size)
        title = f"bytes of {name[:-1]} {name[-1].upper()}iB"
        yield Workload(f"bytes-{name}", "echo", title, make, n_bytes=size, quick=quick)
    yield Workload(
        "dict-floats", "echo", "dict of 100 floats", lambda: values.floats_by_name(100), quick=True
    )
    yield Workload("list-ints", "echo", "list of 1000 ints", lambda: list(range(1000)), quick=True)
    # Neither end has these at hand, as it has small ones.
    yield Workload(
        "list-large-ints",
        "echo",
        "list of 1000 ints up to a billion",
        lambda: [i * 1_000_003 for i in range(1000)],
    )
    yield Workload(
        "list-floats", "echo", "list of 1000 floats", lambda: [i * 1.1 for i in range(1000)]
    )
    yield Workload(
        "list-strings", "echo", "list of 1000 strings", lambda: [f"item {i}" for i in range(1000)]
    )
    yield Workload(
        "tree", "echo", "mixed nested dict of 300 nodes", lambda: values.mixed_tree(300), quick=True
    )


def concurrency():
    yield Workload("bounce", "bounce", "extension → host singleton and back", quick=True)
    yield Workload("flight-32", "many", "32 int calls in flight", count=32, quick=True)
    yield Workload("flight-1000", "many", "1000 int calls in flight", count=1000)
    yield Workload("sleep-32", "sleep", "32 calls that each sleep 10 ms", count=32, quick=True)
    for count in (1, 4, 16, 64):
        title = f"int call to each of {count} extensions in turn"
        # Several hundred processes of all peers together would be too many.
        only = () if count <= 4 else ("python", "pipe")
        yield Workload(f"ring-{count}", "ring", title, count=count, only=only)


def array_workloads():
    sizes = (
        ("4k", 4 * KIB, "4 KiB", True),
        ("1m", MIB, "1 MiB", True),
        ("64m", 64 * MIB, "64 MiB", True),
        ("8k", IMAGE_8K, "8k image", False),
        ("6g", MODEL, "6 GiB model", False),
    )
    kinds = (
        ("in", "array_in", "private {} into the worker"),
        ("echo", "array_echo", "private {} echoed"),
        ("shared", "shared_in", "shared {} into the worker"),
        ("shared-echo", "shared_echo", "shared {} echoed"),
        ("shared-read", "shared_read", "both ends of a shared {} read in the worker"),
    )
    makers = (
        ("numpy", arrays.numpy_array),
        ("torch", arrays.torch_tensor),
        ("cuda", arrays.cuda_tensor),
    )
    for package, make in makers:
        for size_name, size, size_title, quick in sizes:
            shape = arrays.shape_of(size, "float32")
            if size == IMAGE_8K:
                shape = (4320, 7680, 3)
            for name, kind, title in kinds:
                if kind == "shared_read" and size == IMAGE_8K:
                    continue
                yield Workload(
                    f"{package}-{name}-{size_name}",
                    kind,
                    f"{package} float32: {title.format(size_title)}",
                    functools.partial(make, shape, "float32"),
                    n_bytes=size,
                    pinned=False,
                    quick=quick and package == "numpy" and kind != "array_echo",
                    needs=package,
                    only=SHARING if kind == "shared_read" else (),
                )
        yield Workload(
            f"{package}-held-read",
            "held_read",
            f"{package} float32: int call that reads both ends of one that the worker has",
            functools.partial(make, arrays.shape_of(MIB, "float32"), "float32"),
            pinned=False,
            quick=package == "numpy",
            needs=package,
            only=("python await",),
        )


def life():
    yield Workload(
        "start-def", "start", "start to first reply, `def` functions", pinned=False, quick=True
    )
    yield Workload(
        "start-asyncio", "start", "start to first reply, imports asyncio", pinned=False, quick=True
    )
    yield Workload(
        "start-cold",
        "start",
        "the same, its environment made as well",
        pinned=False,
        only=("python await", "pyisolate"),
    )


def under_load():
    moving = "with 1,000 bulk calls running"
    for name, title, only in (
        ("ping", f"ping, {moving}", ("c sync", "python await")),
        ("cancel", f"cancel, until the method notices, {moving}", ("c sync", "python await")),
        ("int", f"int call, {moving}", ("c sync", "python await")),
        ("int-waiting", "int call, with 1,000 bulk calls waiting", ("python await",)),
    ):
        yield Workload(
            f"loaded-{name}",
            "loaded",
            title,
            n_bytes=64 * KIB,
            count=1000,
            pinned=False,
            quick=True,
            only=only,
        )


def examples():
    for name in ("data-processing", "array-math", "web-text"):
        for method in ("process", "review"):
            yield Workload(
                f"example-{name}-{method}",
                "example",
                f"{name}: {method}()",
                pinned=False,
                needs="network",
                only=("python await",),
            )


def all_workloads():
    return [*calls(), *concurrency(), *array_workloads(), *life(), *under_load(), *examples()]
