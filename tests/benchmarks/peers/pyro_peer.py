# SPDX-License-Identifier: MIT
"""Pyro5 over a unix socket, with the serializer msgpack, the fastest that it has."""

import concurrent.futures
import os
import sys
import threading

import Pyro5
import Pyro5.api

from . import service
from .spawned import Spawned, ready

Pyro5.config.SERIALIZER = "msgpack"
THREADS = 32


def flat(value):
    """Pyro knows no arrays: its documentation says to send what they are made of."""
    if not hasattr(value, "dtype"):
        return value
    return {"__array__": value.dtype.str, "shape": list(value.shape), "data": value.tobytes()}


def whole(value):
    if not isinstance(value, dict) or "__array__" not in value:
        return value
    import numpy

    return numpy.frombuffer(value["data"], value["__array__"]).reshape(value["shape"])


@Pyro5.api.expose
class Service:
    def echo(self, value):
        return value

    def first_last(self, array):
        return service.first_last(whole(array))

    def sleep(self, seconds):
        return service.sleep(seconds)

    def bounce(self, uri, seconds, most):
        with Pyro5.api.Proxy(uri) as host:
            return service.timed(lambda: host.answer(1), seconds, most)


@Pyro5.api.expose
class Host:
    def answer(self, value):
        return value


class Pyro(Spawned):
    module = "pyro_peer"
    cannot = {  # noqa: RUF012
        "shared_in": "it has no shared memory",
        "shared_echo": "it has no shared memory",
        "torch": "it knows no tensors; they would be sent as NumPy's arrays are",
    }

    def connect(self):
        self.uri = f"PYRO:service@./u:{self.socket}"
        self.proxy = Pyro5.api.Proxy(self.uri)
        self.proxy._pyroBind()
        self.threads = None
        self.own = threading.local()
        self.daemon = None

    def disconnect(self):
        if self.threads:
            self.threads.shutdown()
        if self.daemon:
            self.daemon.shutdown()
        self.proxy._pyroRelease()

    def call(self, name, *arguments):
        return whole(getattr(self.proxy, name)(flat(arguments[0]), *arguments[1:]))

    def many(self, count, name, *arguments):
        """A connection carries one call at a time: 32 threads, each with a proxy of its own."""
        if self.threads is None:
            self.threads = concurrent.futures.ThreadPoolExecutor(THREADS)

        def one():
            if not hasattr(self.own, "proxy"):
                self.own.proxy = Pyro5.api.Proxy(self.uri)
            return getattr(self.own.proxy, name)(*arguments)

        return [done.result() for done in [self.threads.submit(one) for _ in range(count)]]

    def bounce(self, seconds, most):
        if self.daemon is None:
            path = os.path.join(self.folder.name, "host")
            self.daemon = Pyro5.api.Daemon(unixsocket=path)
            self.host_uri = str(self.daemon.register(Host, "host"))
            threading.Thread(target=self.daemon.requestLoop, daemon=True).start()
        return self.proxy.bounce(self.host_uri, seconds, most)


ADAPTERS = {"pyro5": Pyro}

if __name__ == "__main__":
    with Pyro5.api.Daemon(unixsocket=sys.argv[1]) as daemon:
        daemon.register(Service, "service")
        ready()
        daemon.requestLoop()
