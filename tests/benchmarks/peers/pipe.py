# SPDX-License-Identifier: MIT
"""multiprocessing.Pipe and shared_memory, as Python's documentation uses them; by `spawn`."""

import multiprocessing

from . import pipe_worker
from .base import Adapter, CannotError

NO_CALLS = "a pipe carries one conversation: no calls in flight beside each other"


class Pipe(Adapter):
    cannot = {  # noqa: RUF012
        "many": NO_CALLS,
        "sleep": NO_CALLS,
        "loaded": NO_CALLS,
        "shared_in": "a pipe copies; the subject `shared_memory` shares",
        "shared_echo": "a pipe copies; the subject `shared_memory` shares",
    }

    def open(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=pipe_worker.serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def close(self):
        self.forget()
        self.pipe.send(pipe_worker.Command("stop", ()))
        self.process.join()
        self.pipe.close()

    def call(self, name, *arguments):
        # An echo is the value alone: the least that a pipe can do.
        pipe = self.pipe
        pipe.send(arguments[0] if name == "echo" else pipe_worker.Command(name, arguments))
        return pipe.recv()

    def bounce(self, seconds, most):
        pipe = self.pipe
        pipe.send(pipe_worker.Command("bounce", (seconds, most)))
        while True:
            asked = pipe.recv()
            if type(asked) is list:
                return asked
            pipe.send(asked)


class SharedMemory(Pipe):
    """A private array is copied into a new block; the pipe says what is in it."""

    keeps = False
    cannot = {
        kind: reason for kind, reason in Pipe.cannot.items() if not kind.startswith("shared")
    } | {"array_echo": "who owns a block that comes back is for the application to agree on"}

    def __init__(self):
        super().__init__()
        # Name: block, and the array that looks into it.
        self.blocks = {}

    def forget(self):
        """The blocks of a workload go, at both ends."""
        super().forget()
        if self.blocks:
            self.pipe.send(pipe_worker.Command("forget", ()))
            self.pipe.recv()
        for name in list(self.blocks):
            self.drop(name)

    def drop(self, name):
        block, array = self.blocks.pop(name)
        del array
        block.close()
        block.unlink()

    def call(self, name, *arguments):
        value = arguments[0] if arguments else None
        if not hasattr(value, "dtype"):
            return super().call(name, *arguments)
        known = self.name_of(value)
        described = known or self.name_of(self.copied(value))
        once = known is None and not self.keeps
        shared = pipe_worker.Shared(described, value.shape, value.dtype.str, once)
        self.pipe.send(pipe_worker.Command(name, (shared,)))
        result = self.pipe.recv()
        if once:
            self.drop(described)
        # What comes back is named: it is the block that we have.
        return self.blocks[result.name][1] if type(result) is pipe_worker.Shared else result

    def name_of(self, array):
        return next((name for name, (_, own) in self.blocks.items() if own is array), None)

    def copied(self, array):
        """The array in a block."""
        return self.share(array)

    def share(self, array):
        import numpy

        if not isinstance(array, numpy.ndarray):
            raise CannotError("shared_memory knows NumPy's arrays only by their buffers")
        from multiprocessing import shared_memory

        block = shared_memory.SharedMemory(create=True, size=array.nbytes)
        shared = numpy.ndarray(array.shape, array.dtype, block.buf)
        numpy.copyto(shared, array)
        self.blocks[block.name] = (block, shared)
        return shared


class KeptSharedMemory(SharedMemory):
    """The same by an application that keeps one block for each shape, and knows when it is free."""

    keeps = True

    def copied(self, array):
        import numpy

        for _, own in self.blocks.values():
            if own.shape == array.shape and own.dtype == array.dtype:
                numpy.copyto(own, array)
                return own
        return self.share(array)


ADAPTERS = {"pipe": Pipe, "shared_memory": SharedMemory, "kept": KeptSharedMemory}
