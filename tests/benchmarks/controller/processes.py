# SPDX-License-Identifier: MIT
"""Processes as the kernel tells of them: trees, CPU time, memory, and where they may run."""

import contextlib
import os
import pathlib
import time

GONE = (FileNotFoundError, ProcessLookupError)


def children(pid):
    found = []
    with contextlib.suppress(*GONE):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(*GONE):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def tree(pid):
    """The process and all that came of it, parents first."""
    pids = [pid]
    for one in pids:
        pids += children(one)
    return pids


def cpu_ns(pid):
    """CPU time of the process so far; its clock is exact, unlike /proc/PID/stat."""
    try:
        # The number that clock_getcpuclockid() computes, of a clock of scheduled time.
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def reaped_ns(pid):
    """CPU time of all that came of the process and has ended, to a hundredth of a second."""
    with contextlib.suppress(*GONE), open(f"/proc/{pid}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[13:15]
        return (int(user) + int(system)) * 1e9 / os.sysconf("SC_CLK_TCK")
    return 0


def pin(pids, cores):
    for pid in pids:
        with contextlib.suppress(*GONE):
            for task in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(*GONE):
                    os.sched_setaffinity(int(task), cores)


def pss(pid):
    """Bytes in memory or swapped out, those that several processes share in proportion."""
    total = 0
    with contextlib.suppress(*GONE), open(f"/proc/{pid}/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith(("Pss:", "SwapPss:")):
                total += int(line.split()[1]) * 1024
    return total


def n_fds(pid):
    with contextlib.suppress(*GONE):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def n_threads(pid):
    with contextlib.suppress(*GONE):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0


def program(pid):
    with contextlib.suppress(*GONE):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    return ""


def available_memory():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
