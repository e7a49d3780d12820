# SPDX-License-Identifier: MIT
"""Not peers, but what limits them: asyncio in one process, and bare interpreters."""

import asyncio
import os
import subprocess
import sys
import time

from .base import Adapter, AsyncAdapter, CannotError


class InProcess(AsyncAdapter):
    """The same coroutines in the same process, as tasks."""

    CALLS = ("echo", "bounce", "array_in", "array_echo", "shared_in", "shared_echo")
    OTHERS = ("ring", "start", "loaded", "example")
    cannot = dict.fromkeys((*CALLS, *OTHERS), "nothing is sent inside one process")

    async def call(self, name, *arguments):
        if name == "sleep":
            return await asyncio.sleep(*arguments, result=arguments[0])
        return await self.echo(*arguments)

    async def echo(self, value):
        return value

    def workers(self, number, kind):
        raise CannotError("it has no worker")


class Interpreter(Adapter):
    """`python -I -c …`: what a process with a Python in it costs at least."""

    PROGRAMS = {"start-def": "pass", "start-asyncio": "import asyncio"}  # noqa: RUF012

    def bind(self, workload):
        if workload.name not in self.PROGRAMS:
            raise CannotError("a bare interpreter has nothing to call")
        return self.bind_start(workload)

    def start(self, workload):
        begin = time.perf_counter_ns()
        command = [bare(), "-I", "-c", self.PROGRAMS[workload.name]]
        pid = os.posix_spawn(command[0], command, os.environ)
        _, status = os.waitpid(pid, 0)
        ns = time.perf_counter_ns() - begin
        if status:
            raise OSError(f"{command} ended with {status}")
        return ns

    def workers(self, number, kind):
        program = {"def": "", "asyncio": "import asyncio; "}[kind]
        program += "import sys; print(flush=True); sys.stdin.read()"
        while len(self.children) < number:
            child = subprocess.Popen(
                [bare(), "-I", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            child.stdout.readline()
            self.children.append(child)

    def close(self):
        for child in self.children:
            child.stdin.close()
            child.wait()

    def forget(self):
        """Its children are idle, and stay."""


def bare():
    """The interpreter that environments are made of."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


ADAPTERS = {"asyncio": InProcess, "interpreter": Interpreter}
