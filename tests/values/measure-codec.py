# SPDX-License-Identifier: MIT
"""What encoding and decoding cost, beside pickle in the same run. PYTHONPATH=BUILD/tests/values."""

import pickle
import random
import statistics
import sys
import timeit

import _test_codec as codec


def nested(nodes: int) -> object:
    """A mixed tree: records in lists in records."""
    rng = random.Random(1)

    def record(number: int) -> dict:
        return {
            "id": number,
            "name": f"node {number}",
            "weight": rng.random(),
            "active": number % 2 == 0,
            "parent": None,
            "tags": ["a", "b", "c"],
            "position": (rng.random(), rng.random()),
        }

    return {"title": "tree", "nodes": [record(i) for i in range(nodes // 10)], "version": 3}


WORKLOADS = {
    "1": 1,
    "'hello'": "hello",
    "None": None,
    "dict of 100 floats": {f"key{i}": i * 1.1 for i in range(100)},
    "list of 1000 ints": list(range(1000)),
    "list of 1000 floats": [i * 1.1 for i in range(1000)],
    "list of 1000 strings": [f"item {i}" for i in range(1000)],
    "mixed nested, 300 nodes": nested(300),
    "dict of 100 ints to ints": {i: i for i in range(100)},
    "tuple (1, 'a', 2.0)": (1, "a", 2.0),
    "64 KiB bytes": bytes(65536),
}


def measure(functions: dict) -> dict:
    """Interleaved rounds; medians in microseconds."""
    numbers = {name: max(1, timeit.Timer(f).autorange()[0] // 20) for name, f in functions.items()}
    times = {name: [] for name in functions}
    for _ in range(25):
        for name, function in functions.items():
            seconds = timeit.timeit(function, number=numbers[name])
            times[name].append(seconds / numbers[name] * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    print(f"Python {sys.version.split()[0]}, microseconds")
    print()
    print("| value | encode | pickle | decode | unpickle | both, ratio | bytes | pickle |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, value in WORKLOADS.items():
        body, dump = codec.encode(value), pickle.dumps(value, 5)
        t = measure(
            {
                "encode": lambda value=value: codec.encode(value),
                "dumps": lambda value=value: pickle.dumps(value, 5),
                "decode": lambda body=body: codec.decode(body),
                "loads": lambda dump=dump: pickle.loads(dump),
            }
        )
        ratio = (t["encode"] + t["decode"]) / (t["dumps"] + t["loads"])
        print(
            f"| {name} | {t['encode']:.2f} | {t['dumps']:.2f} | {t['decode']:.2f} "
            f"| {t['loads']:.2f} | {ratio:.2f} | {len(body)} | {len(dump)} |"
        )


if __name__ == "__main__":
    main()
