# SPDX-License-Identifier: MIT
"""Rounds: every workload, in a new order each time; for each all subjects, in a new order too.

All subjects of a workload come one right after the other, each between two looks at the yardsticks
(the raw ping-pong and a memcpy of as much), so that what disturbs a machine for a second disturbs
all that is compared.
"""

import os
import random
import statistics
import time

from workloads import Workload

from . import processes
from .figures import Figures
from .subject import CannotError, FailedError, Subject
from .subjects import is_for, memory_needed

YARDSTICK = Workload("int", "echo", "int")
YARDSTICK_SECONDS = 0.01
COPY_LIMIT = 1 << 28
# Left to the rest of the machine.
SPARE_MEMORY = 2 << 30
MOST_RESTARTS = 5
# From here on a subject ends after a workload: what it keeps of it, others would lack.
LARGE = 1 << 30
# What takes a subject so many seconds, all in all, is measured in the first round only.
SLOW = 2
WARM = 0.5
# One says nothing about how rounds differ.
LEAST_ROUNDS = 2


class Rounds:
    def __init__(self, subjects, workloads, environment, folder, options, progress):
        self.subjects = subjects
        self.workloads = workloads
        self.environment = environment
        self.folder = folder
        self.options = options
        self.progress = progress
        self.random = random.Random(options.seed)
        self.running = {}
        self.restarts = {}
        self.slow = set()
        self.slow_seconds = 0.0
        self.figures = {}
        self.cannot = {}
        self.failed = {}
        self.cores = sorted(os.sched_getaffinity(0))

    # ---- subjects ----

    def get(self, name):
        """The subject, started when it is needed first, and again if it has ended."""
        found = self.running.get(name)
        ended = isinstance(found, Subject) and not found.alive
        if ended and self.restarts.get(name, 0) < MOST_RESTARTS:
            self.restarts[name] = self.restarts.get(name, 0) + 1
            self.running.pop(name).stop()
        if name not in self.running:
            log = self.folder / "logs" / f"{name.replace(' ', '-')}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
            try:
                self.running[name] = Subject(self.subjects.spec(name), log, self.environment)
            except (FailedError, OSError) as error:
                self.running[name] = error
        found = self.running[name]
        if isinstance(found, Exception):
            raise FailedError(f"could not be started: {found}")
        if not found.alive:
            raise FailedError(f"its process ended: {found.last_words()}")
        return found

    def end(self, name):
        """It starts again when it is needed."""
        found = self.running.get(name)
        if isinstance(found, Subject):
            self.running.pop(name).stop()

    def stop(self):
        for name in list(self.running):
            self.end(name)
        self.running.clear()

    # ---- the run ----

    def run(self):
        total = self.options.rounds * len(self.workloads)
        done = 0
        begin = time.monotonic()
        for number in range(self.options.rounds):
            if not self.has_time(begin, number):
                break
            order = list(self.workloads)
            self.random.shuffle(order)
            for workload in order:
                done += 1
                self.progress(
                    f"round {number + 1} of {self.options.rounds}: {workload.title}",
                    done / total,
                )
                self.block(workload)

    def has_time(self, begin, done):
        """Whether another round would end in time."""
        if not self.options.minutes or done < LEAST_ROUNDS:
            return True
        used = time.monotonic() - begin
        # What was slow is not done again.
        another = (used - self.slow_seconds) / done
        return used + another <= self.options.minutes * 60

    def block(self, workload):
        names = [name for name in self.subjects.names() if self.takes_part(name, workload)]
        self.random.shuffle(names)
        for name in names:
            needed = memory_needed(name, workload)
            available = processes.available_memory() - SPARE_MEMORY
            if needed > available:
                self.cannot[name, workload.name] = (
                    f"needs {needed / 2**30:.0f} GiB of memory, {available / 2**30:.0f} are there"
                )
            else:
                self.one(name, workload)
                if workload.n_bytes >= LARGE:
                    self.end(name)

    def takes_part(self, name, workload):
        key = (name, workload.name)
        if key in self.failed or key in self.cannot or key in self.slow:
            return False
        return is_for(name, workload)

    def one(self, name, workload):
        key = (name, workload.name)
        raw_before, copy_before = self.yardsticks(workload)
        try:
            subject = self.get(name)
            subject.pin({self.cores[-1]} if workload.pinned else set(self.cores))
            begin = time.monotonic()
            subject.prepare(workload)
            # Caches, branch predictors and pools are warm before anything counts. An array that
            # took long when it was checked is warm by that.
            if not workload.is_array or time.monotonic() - begin < WARM:
                subject.measure(workload, self.options.seconds / 5, self.options.most)
            measured = subject.measure(workload, self.options.seconds, self.options.most)
            subject.command("forget")
            used = time.monotonic() - begin
            if used > SLOW:
                self.slow.add(key)
                self.slow_seconds += used
        except CannotError as error:
            self.cannot[key] = str(error)
            return
        except FailedError as error:
            self.failed[key] = str(error)
            # What broke it here, a connection maybe, is not to fail the next workload too.
            self.end(name)
            self.progress(f"{name}: {workload.title} failed: {error}")
            return
        raw_after, copy_after = self.yardsticks(workload)
        raw = statistics.fmean((raw_before, raw_after))
        self.figures.setdefault(key, Figures()).add(
            measured, raw, statistics.fmean((copy_before, copy_after))
        )

    def yardsticks(self, workload):
        """Medians: the ping-pong of 8 bytes; a memcpy of what is sent, of 1 MiB at least."""
        raw = self.get("raw")
        raw.pin({self.cores[-1]})
        raw.prepare(YARDSTICK)
        ping_pong = raw.measure(YARDSTICK, YARDSTICK_SECONDS, 5000)
        wanted = max(workload.n_bytes, 1 << 20)
        size = min(wanted, COPY_LIMIT)
        copy = Workload("copy", "echo", "copy", n_bytes=size)
        memcpy = self.get("memcpy")
        memcpy.pin(set(self.cores))
        memcpy.prepare(copy)
        copies = memcpy.measure(copy, YARDSTICK_SECONDS, 100)
        memcpy_ns = statistics.median(copies.samples) * wanted / size
        return statistics.median(ping_pong.samples), memcpy_ns
