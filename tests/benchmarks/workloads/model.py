# SPDX-License-Identifier: MIT
"""One workload: a name, a kind of work, and what it needs."""

import dataclasses
import typing

KINDS = {
    "echo": "a value there and back",
    "many": "calls in flight at once, time per call",
    "sleep": "calls in flight that each sleep, time per call",
    "bounce": "from the worker to the host and back, timed in the worker",
    "array_in": "a private array into the worker, two elements back",
    "array_echo": "a private array there and back",
    "shared_in": "an array that is shared already into the worker, its length back",
    "shared_read": "the same, two elements back",
    "held_read": "an int to the worker, two elements back of an array that it has",
    "shared_echo": "an array that is shared already there and back",
    "ring": "an int call to each of several workers in turn, time per call",
    "start": "from the wish for a worker to its first reply",
    "loaded": "something small while 1,000 bulk calls run",
    "example": "a method of an example extension",
}


@dataclasses.dataclass(frozen=True)
class Workload:
    """`make()` builds the value, in the host's process; nothing heavy is imported before."""

    name: str
    kind: str
    title: str
    make: typing.Callable = lambda: 1
    # What is sent one way: so much is copied for comparison, and must fit into memory.
    n_bytes: int = 8
    count: int = 1
    pinned: bool = True
    quick: bool = False
    # "numpy", "torch" or "cuda": a package that has to be there.
    needs: str = ""
    # Only subjects whose names begin so are measured; all if it is empty.
    only: tuple = ()

    @property
    def group(self):
        return self.name.partition("-")[0]

    def per_sample(self):
        """How many calls one sample stands for."""
        return self.count if self.kind in ("many", "sleep", "ring") else 1

    @property
    def is_array(self):
        return self.kind.startswith(("array_", "shared_"))
