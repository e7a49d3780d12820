# SPDX-License-Identifier: MIT
"""One subject: a process that measures when it is told to, and all that it started."""

import contextlib
import dataclasses
import os
import selectors
import signal
import subprocess
import time

from . import processes

# Seconds for the slowest thing, gigabytes through a pipe.
PATIENCE = 120


class CannotError(Exception):
    """It has no such thing; the message is the reason."""


class FailedError(Exception):
    """It tried; the message is the error."""


@dataclasses.dataclass
class Measured:
    samples: list
    cpu_ns: float


class Subject:
    def __init__(self, spec, log_path, environment):
        self.spec = spec
        self.name = spec.name
        self.log_path = log_path
        self.log = open(log_path, "ab", buffering=0)  # noqa: SIM115
        self.process = subprocess.Popen(
            spec.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**environment, **spec.environment},
            cwd=spec.folder,
        )
        self.buffer = bytearray()
        self.pinned = None
        self.reply(300)
        if spec.opens:
            self.command("open", timeout=600)

    # ---- the conversation ----

    def reply(self, timeout):
        """The next line; FailedError if it dies or is silent for too long."""
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(0, end - time.monotonic())):
                    self.kill()
                    raise FailedError(f"no answer in {timeout:.0f} s")
                data = os.read(self.process.stdout.fileno(), 1 << 20)
                if not data:
                    raise FailedError(
                        f"ended with status {self.process.wait()}: {self.last_words()}"
                    )
                self.buffer += data
        line, _, rest = self.buffer.partition(b"\n")
        self.buffer = bytearray(rest)
        return line.decode(errors="replace")

    def command(self, *words, timeout=120):
        try:
            self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise FailedError(f"ended: {self.last_words()}") from None
        answer = self.reply(timeout)
        verdict, _, rest = answer.partition(" ")
        if verdict == "cannot":
            raise CannotError(rest)
        if verdict == "failed":
            raise FailedError(rest)
        return answer

    def last_words(self):
        with open(self.log_path, errors="replace") as log:
            lines = [line.strip() for line in log.read()[-4000:].splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    @property
    def alive(self):
        return self.process.poll() is None

    # ---- what it does ----

    def pin(self, cores):
        """It and all its processes run on these cores only."""
        processes.pin(processes.tree(self.process.pid), cores)

    def prepare(self, workload):
        words = (workload.name, workload.kind, workload.n_bytes, workload.count)
        self.command("prepare", *words, timeout=PATIENCE)

    def measure(self, workload, seconds, most):
        pids = processes.tree(self.process.pid)
        before = {pid: processes.cpu_ns(pid) for pid in pids}
        reaped = processes.reaped_ns(self.process.pid)
        self.command("measure", workload.name, seconds, most, timeout=seconds + PATIENCE)
        # Those that were started meanwhile, too, and those of them that have ended.
        spent = sum(
            max(0, processes.cpu_ns(pid) - before.get(pid, 0))
            for pid in {*pids, *processes.tree(self.process.pid)}
        )
        spent += processes.reaped_ns(self.process.pid) - reaped
        samples = [float(ns) for ns in self.command("samples").split()]
        if not samples:
            raise FailedError("no sample")
        return Measured(samples, spent / (len(samples) * workload.per_sample()))

    def stop(self):
        """It ends by itself; what does not is killed."""
        try:
            self.process.stdin.write(b"stop\n")
            self.process.stdin.close()
            self.process.wait(20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.kill()
        self.process.stdout.close()
        self.log.close()

    def kill(self):
        """It and all that it started."""
        for pid in reversed(processes.tree(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
