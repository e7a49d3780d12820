# SPDX-License-Identifier: MIT
"""The worker at the other end of a pipe; it imports what it needs, as its start is measured."""


class Command:
    def __init__(self, name, arguments):
        self.name = name
        self.arguments = arguments

    def __reduce__(self):
        return Command, (self.name, self.arguments)


class Shared:
    """An array in a named block."""

    def __init__(self, name, shape, dtype, once):
        self.name = name
        self.shape = shape
        self.dtype = dtype
        # Nobody needs the block after this call.
        self.once = once

    def __reduce__(self):
        return Shared, (self.name, self.shape, self.dtype, self.once)


blocks = {}


def attached(described):
    """The array, mapped once."""
    import numpy

    if described.name not in blocks:
        from multiprocessing import shared_memory

        block = shared_memory.SharedMemory(described.name)
        blocks[described.name] = (block, numpy.ndarray(described.shape, described.dtype, block.buf))
    return blocks[described.name][1]


def detach(name):
    block, array = blocks.pop(name)
    del array
    block.close()


def bounce(pipe, seconds, most):
    from . import service

    def call():
        pipe.send(1)
        pipe.recv()

    return service.timed(call, seconds, most)


def serve(pipe):
    while True:
        message = pipe.recv()
        if type(message) is not Command:
            pipe.send(message)
            continue
        name, arguments = message.name, message.arguments
        if name == "stop":
            return
        if name == "forget":
            for block in list(blocks):
                detach(block)
            pipe.send(None)
            continue
        if name == "bounce":
            pipe.send(bounce(pipe, *arguments))
            continue
        from . import service

        if arguments and type(arguments[0]) is Shared:
            shared = arguments[0]
            array = attached(shared)
            result = shared if name == "echo" else service.FUNCTIONS[name](array)
            del array
            if shared.once:
                detach(shared.name)
            pipe.send(result)
        else:
            pipe.send(service.FUNCTIONS[name](*arguments))
