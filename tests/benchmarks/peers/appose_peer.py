# SPDX-License-Identifier: MIT
"""appose: tasks of a Python worker, arrays in its NDArray."""

import sys
import time

import appose

from .base import Adapter, CannotError

SCRIPTS = {
    "echo": "value",
    "length": "value.ndarray().shape[0]",
    "sleep": "import time\ntime.sleep(value)\nvalue",
}
FIRST_LAST = "flat = value.ndarray().reshape(-1)\n[float(flat[0]), float(flat[-1])]"
PATIENCE = 20


class Appose(Adapter):
    cannot = {  # noqa: RUF012
        "bounce": "a worker cannot call the host for a result",
        "array_echo": "who owns a block that comes back is for the application to agree on",
        "torch": "it knows no tensors; they would be sent as NumPy's arrays are",
    }

    def open(self):
        self.service = appose.custom().base(sys.prefix).build().python().init("import numpy")
        self.service.start()
        # By the identity of the NumPy array that looks into it.
        self.views = {}

    def close(self):
        self.forget()
        self.service.close()
        self.service.wait_for()

    def forget(self):
        super().forget()
        for block in self.views.values():
            block.shm.dispose()
        self.views.clear()

    def call(self, name, *arguments):
        value = arguments[0]
        if type(value) is bytes:
            raise CannotError("its messages are JSON, which has no bytes")
        script = SCRIPTS.get(name)
        if hasattr(value, "dtype"):
            return self.call_with_array(script or FIRST_LAST, value)
        return self.result_of(script, value)

    def result_of(self, script, value):
        task = self.service.task(script, {"value": value})
        task.wait_for()
        result = task.outputs.get("result")
        return result.ndarray() if isinstance(result, appose.NDArray) else result

    def call_with_array(self, script, array):
        """A private array goes into a new block, which goes with the call."""
        if id(array) in self.views:
            return self.result_of(script, self.views[id(array)])
        with appose.NDArray(array.dtype.name, list(array.shape)) as block:
            block.ndarray()[...] = array
            return self.result_of(script, block)

    def share(self, array):
        block = appose.NDArray(array.dtype.name, list(array.shape))
        view = block.ndarray()
        view[...] = array
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
        return [task.outputs.get("result") for task in tasks]


ADAPTERS = {"appose": Appose}
