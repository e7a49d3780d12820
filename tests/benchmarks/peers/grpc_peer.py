# SPDX-License-Identifier: MIT
"""gRPC over a unix socket, its blocking interface, with pickles in place of protobuf."""

import concurrent.futures
import pickle
import queue
import sys

import grpc

from . import service
from .spawned import Spawned, ready

NAME = "bench.Service"
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
THREADS = 32


def dumps(message):
    return pickle.dumps(message, 5)


def call(request, _):
    name, arguments = request
    return service.FUNCTIONS[name](*arguments)


def bounce(requests, _):
    """A stream each way: the worker asks, and at the end tells its times."""
    seconds, most = next(requests)
    import time

    clock = time.perf_counter_ns
    samples = []
    now = clock()
    end = now + int(seconds * 1e9)
    while now < end and len(samples) < most:
        begin = clock()
        yield 1
        next(requests)
        now = clock()
        samples.append(now - begin)
    yield samples


class Grpc(Spawned):
    module = "grpc_peer"
    cannot = {  # noqa: RUF012
        "shared_in": "it has no shared memory",
        "shared_echo": "it has no shared memory",
    }

    def connect(self):
        self.channel = grpc.insecure_channel(f"unix:{self.socket}", options=OPTIONS)
        kinds = {"request_serializer": dumps, "response_deserializer": pickle.loads}
        self.unary = self.channel.unary_unary(f"/{NAME}/call", **kinds)
        self.stream = self.channel.stream_stream(f"/{NAME}/bounce", **kinds)

    def disconnect(self):
        self.channel.close()

    def call(self, name, *arguments):
        return self.unary((name, arguments))

    def many(self, count, name, *arguments):
        futures = [self.unary.future((name, arguments)) for _ in range(count)]
        return [future.result() for future in futures]

    def bounce(self, seconds, most):
        requests = queue.SimpleQueue()
        requests.put((seconds, most))
        for asked in self.stream(iter(requests.get, None)):
            if type(asked) is list:
                requests.put(None)
                return asked
            requests.put(asked)
        raise EOFError("the stream ended")


ADAPTERS = {"grpc": Grpc}


def main(path):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(THREADS), options=OPTIONS)
    kinds = {"request_deserializer": pickle.loads, "response_serializer": dumps}
    handlers = {
        "call": grpc.unary_unary_rpc_method_handler(call, **kinds),
        "bounce": grpc.stream_stream_rpc_method_handler(bounce, **kinds),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(NAME, handlers)])
    server.add_insecure_port(f"unix:{path}")
    server.start()
    ready()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
