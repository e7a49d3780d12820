# SPDX-License-Identifier: MIT
"""RPyC over a unix socket.

What RPyC sends by value (numbers, strings, bytes, tuples of these) is an argument as it is; of the
rest it would send a reference, so it is pickled, as `rpyc.utils.classic.obtain()` does. Its zlib
compression, which slows down what stays on one machine, is switched off.
"""

import concurrent.futures
import pickle
import sys
import threading

import rpyc
from rpyc.core.channel import Channel
from rpyc.utils.server import ThreadedServer

from . import service
from .base import CannotError
from .spawned import Spawned, ready

NEVER = 1 << 62
CONFIG = {"allow_pickle": True, "sync_request_timeout": None}
BY_VALUE = (int, float, str, bytes)
Channel.COMPRESSION_THRESHOLD = NEVER


class Service(rpyc.Service):
    exposed_echo = staticmethod(service.echo)
    exposed_sleep = staticmethod(service.sleep)

    def exposed_pickled(self, data):
        name, arguments = pickle.loads(data)
        return pickle.dumps(service.FUNCTIONS[name](*arguments), 5)

    def exposed_bounce(self, answer, seconds, most):
        return pickle.dumps(service.timed(lambda: answer(1), seconds, most))


# 64 MiB take 14 s: for each packet, what is left to send is copied.
LARGEST = 16 << 20


class Rpyc(Spawned):
    module = "rpyc_peer"
    cannot = {  # noqa: RUF012
        "shared_in": "it has no shared memory",
        "shared_echo": "it has no shared memory",
    }

    def bind(self, workload):
        if workload.n_bytes > LARGEST:
            raise CannotError("takes 14 s for 64 MiB, as it copies what is left for each packet")
        return super().bind(workload)

    def connect(self):
        self.connection = self.new_connection()
        self.root = self.connection.root
        self.threads = None
        self.own = threading.local()

    def new_connection(self):
        return rpyc.utils.factory.unix_connect(self.socket, config=CONFIG)

    def disconnect(self):
        if self.threads:
            self.threads.shutdown()
        self.connection.close()

    def call(self, name, *arguments):
        if type(arguments[0]) in BY_VALUE:
            return getattr(self.root, name)(*arguments)
        return pickle.loads(self.root.pickled(pickle.dumps((name, arguments), 5)))

    def many(self, count, name, *arguments):
        if name == "sleep":
            return self.in_threads(count, name, *arguments)
        later = rpyc.async_(getattr(self.root, name))
        results = [later(*arguments) for _ in range(count)]
        return [result.value for result in results]

    def in_threads(self, count, name, *arguments):
        """A connection serves one call after another: so many connections, each with its thread."""
        if self.threads is None:
            self.threads = concurrent.futures.ThreadPoolExecutor(count)

        def one():
            if not hasattr(self.own, "root"):
                self.own.connection = self.new_connection()
                self.own.root = self.own.connection.root
            return getattr(self.own.root, name)(*arguments)

        return [done.result() for done in [self.threads.submit(one) for _ in range(count)]]

    def bounce(self, seconds, most):
        return pickle.loads(self.root.bounce(lambda value: value, seconds, most))


ADAPTERS = {"rpyc": Rpyc}

if __name__ == "__main__":
    server = ThreadedServer(Service, socket_path=sys.argv[1], protocol_config=CONFIG)
    # Else it could not be called yet when it says so.
    server._listen()
    ready()
    server.start()
