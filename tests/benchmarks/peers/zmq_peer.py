# SPDX-License-Identifier: MIT
"""ZeroMQ over ipc, a PAIR of sockets: pickle, with the memory of arrays in frames of their own."""

import pickle
import sys

import zmq

from . import service
from .spawned import Spawned, ready


def send(socket, message):
    buffers = []
    data = pickle.dumps(message, 5, buffer_callback=buffers.append)
    if buffers:
        socket.send_multipart([data, *(buffer.raw() for buffer in buffers)], copy=False)
    else:
        socket.send(data)


def receive(socket):
    data = socket.recv()
    buffers = []
    while socket.getsockopt(zmq.RCVMORE):
        buffers.append(socket.recv(copy=False).buffer)
    return pickle.loads(data, buffers=buffers)


def make_socket():
    socket = zmq.Context.instance().socket(zmq.PAIR)
    socket.setsockopt(zmq.LINGER, 0)
    # No message is dropped or waits for others: any number may be in flight.
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    return socket


class ZeroMQ(Spawned):
    module = "zmq_peer"
    cannot = {  # noqa: RUF012
        "shared_in": "it has no shared memory",
        "shared_echo": "it has no shared memory",
        "sleep": "it has no dispatcher: a worker answers one message after another",
    }

    def connect(self):
        self.pair = make_socket()
        self.pair.connect(f"ipc://{self.socket}")

    def disconnect(self):
        self.pair.close()

    def call(self, name, *arguments):
        send(self.pair, (name, arguments))
        return receive(self.pair)

    def many(self, count, name, *arguments):
        for _ in range(count):
            send(self.pair, (name, arguments))
        return [receive(self.pair) for _ in range(count)]

    def bounce(self, seconds, most):
        send(self.pair, ("bounce", (seconds, most)))
        while True:
            asked = receive(self.pair)
            if type(asked) is list:
                return asked
            send(self.pair, asked)


ADAPTERS = {"zeromq": ZeroMQ}


def main(path):
    socket = make_socket()
    socket.bind(f"ipc://{path}")
    ready()

    def ask():
        send(socket, 1)
        receive(socket)

    while True:
        name, arguments = receive(socket)
        if name == "bounce":
            send(socket, service.timed(ask, *arguments))
        else:
            send(socket, service.FUNCTIONS[name](*arguments))


if __name__ == "__main__":
    main(sys.argv[1])
