# SPDX-License-Identifier: MIT
"""A worker whose peer leaves its start to the user: a program that says when it can be called."""

import os
import pathlib
import subprocess
import sys
import tempfile

from .base import Adapter

BENCHMARKS = pathlib.Path(__file__).resolve().parents[1]


class Spawned(Adapter):
    """`python -m peers.MODULE SOCKET`, in a folder of its own."""

    module = ""

    def open(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.socket = os.path.join(self.folder.name, "socket")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "peers." + self.module, self.socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=BENCHMARKS,
        )
        if self.process.stdout.readline() != b"ready\n":
            raise OSError(f"the worker ended with {self.process.wait()}")
        self.connect()

    def connect(self):
        raise NotImplementedError

    def disconnect(self):
        raise NotImplementedError

    def close(self):
        self.forget()
        self.disconnect()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.folder.cleanup()


def ready():
    """In the worker: it can be called."""
    print("ready", flush=True)
