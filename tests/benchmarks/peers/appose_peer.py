# SPDX-License-Identifier: MIT
"""appose: tasks of a Python worker, arrays in its NDArray."""

import sys
import time

import appose

from .base import Adapter, CannotError

SCRIPTS = {
    "echo": "value",
    "sleep": "import time\ntime.sleep(value)\nvalue",
}
FIRST_LAST = "flat = value.ndarray().reshape(-1)\n[float(flat[0]), float(flat[-1])]"
PATIENCE = 20


class Appose(Adapter):
    cannot = {  # noqa: RUF012
        "bounce": "a worker cannot call the host for a result",
        "array_echo": "who owns a block that comes back is for the application to agree on",
    }

    def open(self):
        self.service = appose.custom().base(sys.prefix).build().python().init("import numpy")
        self.service.start()
        self.shared = {}
        # By the identity of the NumPy array that looks into it.
        self.views = {}

    def close(self):
        for child in self.children:
            child.close()
        self.service.close()
        self.service.wait_for()
        for block in self.shared.values():
            block.shm.dispose()

    def call(self, name, *arguments):
        value = arguments[0]
        if type(value) is bytes:
            raise CannotError("its messages are JSON, which has no bytes")
        script = SCRIPTS.get(name)
        if hasattr(value, "dtype"):
            value = self.block_of(value)
            script = script or FIRST_LAST
        task = self.service.task(script, {"value": value})
        task.wait_for()
        result = task.outputs.get("result")
        return result.ndarray() if isinstance(result, appose.NDArray) else result

    def block_of(self, array):
        """The block that it lies in; a private array is copied into one that is used again."""
        if id(array) in self.views:
            return self.views[id(array)]
        key = (array.dtype.name, array.shape)
        if key not in self.shared:
            self.shared[key] = appose.NDArray(array.dtype.name, list(array.shape))
        self.shared[key].ndarray()[...] = array
        return self.shared[key]

    def share(self, array):
        block = appose.NDArray(array.dtype.name, list(array.shape))
        view = block.ndarray()
        view[...] = array
        self.shared[id(view)] = block
        self.views[id(view)] = block
        return view

    def many(self, count, name, *arguments):
        tasks = [self.service.task(SCRIPTS[name], {"value": arguments[0]}) for _ in range(count)]
        for task in tasks:
            task.start()
        end = time.monotonic() + PATIENCE
        while not all(task.status.is_finished() for task in tasks):
            if time.monotonic() > end:
                lost = sum(not task.status.is_finished() for task in tasks)
                raise TimeoutError(f"{lost} of {count} replies never came")
            time.sleep(0.0002)


ADAPTERS = {"appose": Appose}
