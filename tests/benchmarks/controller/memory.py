# SPDX-License-Identifier: MIT
"""The pass for memory: PSS, descriptors and threads, with only one subject running at a time."""

import shutil
import subprocess
import time

from workloads import all_workloads

from . import processes
from .subject import CannotError, FailedError, Subject

# Who has a worker of which kinds; the others have one kind.
KINDS = {"python await": ("def", "asyncio"), "interpreter": ("def", "asyncio")}
COUNTS = {"python await": (1, 2, 4, 8, 16, 32, 64), "pipe": (1, 2, 4, 8, 16, 32, 64)}
NO_WORKER = (
    "raw",
    "memcpy",
    "c sync",
    "c async",
    "gjs",
    "asyncio in process",
    "python gather",
    "python sync",
    "python await, D-Bus",
)
SIZES = (
    "numpy-in-1m",
    "numpy-in-64m",
    "numpy-shared-64m",
    "bytes-16m",
    "torch-in-64m",
    "cuda-in-64m",
)
SETTLE = 0.3


class Pass:
    def __init__(self, subjects, environment, folder, options, progress):
        self.subjects = subjects
        self.environment = environment
        self.folder = folder
        self.options = options
        self.progress = progress
        self.workers = []
        self.sizes = []
        self.failed = []

    def start(self, name):
        log = self.folder / "logs" / f"memory-{name.replace(' ', '-')}.log"
        log.write_bytes(b"")
        return Subject(self.subjects.spec(name), log, self.environment)

    def run(self):
        for name in self.subjects.names():
            if name in NO_WORKER:
                continue
            for kind in KINDS.get(name, ("def",)):
                self.attempt(name, kind, self.count_workers)
            if not self.options.quick:
                self.attempt(name, "sizes", self.sizes_of)
        return {"workers": self.workers, "sizes": self.sizes, "failed": self.failed}

    def attempt(self, name, kind, what):
        self.progress(f"memory: {name} ({kind})", 1.0)
        subject = None
        try:
            subject = self.start(name)
            what(subject, kind)
        except CannotError:
            pass
        except (FailedError, OSError) as error:
            self.failed.append((name, kind, str(error)))
        finally:
            if subject:
                subject.stop()

    def count_workers(self, subject, kind):
        counts = (1,) if self.options.quick else COUNTS.get(subject.name, (1,))
        for number in counts:
            subject.command("workers", number, kind, timeout=300)
            time.sleep(SETTLE)
            self.workers.append(look(subject, kind, number))

    def sizes_of(self, subject, _):
        known = {workload.name: workload for workload in all_workloads()}
        for name in SIZES:
            workload = known[name]
            if (workload.needs in ("torch", "cuda") and not self.options.torch) or (
                workload.needs == "cuda" and not (self.options.gpu and shutil.which("nvidia-smi"))
            ):
                continue
            try:
                self.size_of(subject, workload)
            except CannotError:
                continue
            except FailedError as error:
                self.failed.append((subject.name, name, str(error)))

    def size_of(self, subject, workload):
        before = total(subject)
        subject.prepare(workload)
        subject.measure(workload, 0.2, 10)
        during, gpu = total(subject), gpu_memory(subject)
        subject.command("forget")
        time.sleep(SETTLE)
        self.sizes.append(
            {
                "subject": subject.name,
                "workload": workload.name,
                "before": before,
                "during": during,
                "after": total(subject),
                "gpu": gpu,
            }
        )


def look(subject, kind, number):
    """The host is the subject's own process; what is not a launcher, below it, is a worker."""
    host, *others = processes.tree(subject.process.pid)
    launchers = [pid for pid in others if processes.program(pid) == "pyisolate-launcher"]
    workers = [pid for pid in others if pid not in launchers]
    # Helpers, such as the resource tracker of multiprocessing, come with workers, but are none.
    return {
        "subject": subject.name,
        "kind": kind,
        "number": number,
        "worker": largest_sum(workers, number),
        "all": sum(map(processes.pss, others)),
        "launcher": sum(map(processes.pss, launchers)) / max(1, len(launchers)),
        "host": processes.pss(host),
        "host_fds": processes.n_fds(host),
        "host_threads": processes.n_threads(host),
        "worker_threads": max(map(processes.n_threads, workers), default=0),
    }


def largest_sum(pids, number):
    """What one worker takes: the mean of the `number` largest processes."""
    sizes = sorted(map(processes.pss, pids), reverse=True)[:number]
    return sum(sizes) / max(1, len(sizes))


def total(subject):
    return sum(map(processes.pss, processes.tree(subject.process.pid)))


def gpu_memory(subject):
    """Bytes on the GPU, of all processes of the subject."""
    if not shutil.which("nvidia-smi"):
        return 0
    command = [
        "nvidia-smi",
        "--query-compute-apps=pid,used_memory",
        "--format=csv,noheader,nounits",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    pids = {str(pid) for pid in processes.tree(subject.process.pid)}
    rows = [line.split(", ") for line in done.stdout.splitlines()]
    return sum(int(row[1]) * 2**20 for row in rows if row[0] in pids)


def measure(subjects, environment, folder, options, progress):
    return Pass(subjects, environment, folder, options, progress).run()
