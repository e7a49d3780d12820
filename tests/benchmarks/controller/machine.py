# SPDX-License-Identifier: MIT
"""The machine and the versions of a run."""

import os
import pathlib
import platform
import subprocess
import time

PACKAGES = (
    *("numpy", "torch", "pyisolate", "rpyc", "Pyro5", "execnet", "appose", "pyzmq", "grpcio"),
    "matplotlib",
)
VERSIONS = """
import importlib.metadata as m, json, sys
found = {"Python": sys.version.split()[0]}
for name in %r:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def load():
    """How busy the machine was when the run began; it is part of what a reader has to know."""
    return os.getloadavg()[0]


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20)
    return 0


def output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def versions(environments, subjects):
    """Of the packages of every environment that the run has used; what is not there it has not."""
    import json

    from .subjects import BASELINES, OURS, PEERS

    used = {
        environment
        for name, (_, _, environment) in {**OURS, **BASELINES, **PEERS}.items()
        if name in subjects.names()
    }
    found = {}
    for python in filter(None, map(environments.found, sorted(used))):
        text = output(python, "-c", VERSIONS % (PACKAGES,))
        found.update(json.loads(text) if text else {})
    return found


def describe(settings, environments, subjects, load_before):
    source = str(pathlib.Path(__file__).resolve().parents[3])
    commit = output("git", "-C", source, "describe", "--always")
    return {
        "CPU": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory, GiB": memory_gib(),
        "kernel": platform.release().split("-")[0],
        "GLib": output("pkg-config", "--modversion", "glib-2.0"),
        "gjs": output("gjs", "--version").removeprefix("gjs "),
        "pyisolate-glib": f"{settings['version']} ({commit})",
        "built": f"{settings['buildtype']}, sanitizers: {settings['sanitize']}",
        "GPU": output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "none",
        "date": time.strftime("%Y-%m-%d"),
        "load before and after": f"{load_before:.1f}, {load():.1f}",
        **versions(environments, subjects),
    }
