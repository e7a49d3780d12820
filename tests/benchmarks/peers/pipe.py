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
        for child in self.children:
            child.close()
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
    """A private array is copied into a block that is used again; the pipe says what is in it."""

    cannot = {  # noqa: RUF012
        **Pipe.cannot,
        "array_echo": "who owns a block that comes back is for the application to agree on",
    }
    cannot.pop("shared_in")
    cannot.pop("shared_echo")

    def __init__(self):
        super().__init__()
        self.blocks = {}

    def close(self):
        super().close()
        for block, _ in self.blocks.values():
            block.close()
            block.unlink()

    def call(self, name, *arguments):
        value = arguments[0] if arguments else None
        if not hasattr(value, "dtype"):
            return super().call(name, *arguments)
        described = self.described(value)
        self.pipe.send(pipe_worker.Command(name, (described,)))
        result = self.pipe.recv()
        # What comes back is named: it is the block that we have.
        return self.blocks[result.name][1] if type(result) is pipe_worker.Shared else result

    def described(self, array):
        """Its name; an array that is not in a block is copied into one."""
        import numpy

        for name, (_, shared) in self.blocks.items():
            if shared is array:
                return pipe_worker.Shared(name, array.shape, array.dtype.str)
        shared = self.block_for(array)
        numpy.copyto(shared, array)
        return self.described(shared)

    def block_for(self, array):
        for _, shared in self.blocks.values():
            if shared.shape == array.shape and shared.dtype == array.dtype:
                return shared
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


ADAPTERS = {"pipe": Pipe, "shared_memory": SharedMemory}
