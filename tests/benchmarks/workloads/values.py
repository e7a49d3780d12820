# SPDX-License-Identifier: MIT
"""The values, the same in every process that calls for them."""

import random


def text(length):
    letters = "abcdefghijklmnopqrstuvwxyz äöü "
    return (letters * (length // len(letters) + 1))[:length]


def blob(length):
    return random.Random(length).randbytes(length)


def floats_by_name(count):
    return {f"key{i}": i * 1.1 for i in range(count)}


def mixed_tree(nodes):
    """Records in lists in records: strings, numbers, tuples, lists, None and bool."""
    rng = random.Random(nodes)

    def record(number):
        # Twelve nodes: the record, five plain members, a tuple and a list of two.
        return {
            "id": number,
            "name": f"node {number}",
            "weight": rng.random(),
            "active": number % 2 == 0,
            "parent": None,
            "position": (rng.random(), rng.random()),
            "tags": ["first", number],
        }

    return {"title": "tree", "version": 3, "nodes": [record(i) for i in range(nodes // 12)]}
