# SPDX-License-Identifier: MIT
"""A subject's process: does what the controller says, line by line.

    prepare NAME KIND BYTES COUNT        → ok | cannot REASON | failed ERROR
    measure NAME SECONDS MOST            → ok NUMBER | failed ERROR
    samples                              → nanoseconds, separated by spaces
    workers NUMBER KIND                  → ok: so many idle workers are there, for a look at them
    forget                               → ok: nothing of the workloads is kept
    stop                                 → ok

The programs in C and JavaScript speak the same.
"""

import gc
import importlib
import os
import sys
import traceback

from workloads import all_workloads

from .base import CannotError


class Server:
    def __init__(self, adapter, output):
        self.adapter = adapter
        self.output = output
        self.workloads = {workload.name: workload for workload in all_workloads()}
        self.bound = {}
        self.samples = []

    def reply(self, text):
        self.output.write(" ".join(text.split("\n")) + "\n")
        self.output.flush()

    def handle(self, command, *arguments):
        try:
            self.reply(getattr(self, "do_" + command)(*arguments))
        except CannotError as error:
            self.reply(f"cannot {error}")
        except Exception as error:
            traceback.print_exc()
            self.reply(f"failed {type(error).__name__}: {error}")

    def do_open(self):
        self.adapter.open()
        return "ok"

    def do_prepare(self, name, *_):
        self.bound.clear()
        gc.collect()
        bound = self.adapter.bind(self.workloads[name])
        bound.check()
        self.bound[name] = bound
        return "ok"

    def do_measure(self, name, seconds, most):
        if name not in self.bound:
            self.do_prepare(name)
        self.samples = self.bound[name].sample(float(seconds), int(most))
        return f"ok {len(self.samples)}"

    def do_samples(self):
        return " ".join(f"{ns:.0f}" for ns in self.samples)

    def do_workers(self, number, kind):
        self.adapter.workers(int(number), kind)
        return "ok"

    def do_forget(self):
        self.bound.clear()
        self.samples = []
        self.adapter.forget()
        gc.collect()
        return "ok"


def main():
    # What is printed by anybody else goes where errors go.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module("peers." + sys.argv[1])
    server = Server(module.ADAPTERS[sys.argv[2]](), output)
    server.reply("ok")
    for line in sys.stdin:
        command = line.split()
        if command == ["stop"]:
            break
        server.handle(*command)
    server.bound.clear()
    server.adapter.close()
    server.reply("ok")
