# SPDX-License-Identifier: MIT
"""execnet: one gateway to another interpreter, one channel."""

import sys

import execnet

from . import execnet_worker
from .base import Adapter


def flat(value):
    """execnet knows the built-in types: an array is sent as what it is made of."""
    if not hasattr(value, "dtype"):
        return value
    return (value.dtype.str, tuple(value.shape), value.tobytes())


class Execnet(Adapter):
    cannot = {  # noqa: RUF012
        "shared_in": "it has no shared memory",
        "shared_echo": "it has no shared memory",
        "torch": "it knows no tensors; they would be sent as NumPy's arrays are",
    }

    def open(self):
        self.group = execnet.Group()
        self.gateway = self.group.makegateway(f"popen//python={sys.executable}")
        self.channel = self.gateway.remote_exec(execnet_worker)

    def close(self):
        self.forget()
        self.group.terminate(timeout=1)

    def call(self, name, *arguments):
        value = arguments[0]
        self.channel.send((name, (flat(value), *arguments[1:])))
        result = self.channel.receive()
        if name == "echo" and hasattr(value, "dtype"):
            import numpy

            dtype, shape, data = result
            return numpy.frombuffer(data, dtype).reshape(shape)
        return result

    def many(self, count, name, *arguments):
        """The channel is a queue: the worker answers one after another."""
        for _ in range(count):
            self.channel.send((name, arguments))
        return [self.channel.receive() for _ in range(count)]

    def bounce(self, seconds, most):
        self.channel.send(("bounce", (seconds, most)))
        while True:
            asked = self.channel.receive()
            if type(asked) is list:
                return asked
            self.channel.send(asked)


ADAPTERS = {"execnet": Execnet}
