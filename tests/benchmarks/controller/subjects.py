# SPDX-License-Identifier: MIT
"""Who is measured: the command that starts each subject, and where it runs."""

import dataclasses
import os
import pathlib
import shutil

BENCHMARKS = pathlib.Path(__file__).resolve().parents[1]
EXTENSION = BENCHMARKS / "extensions" / "async_methods"


@dataclasses.dataclass
class Spec:
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    folder: str = str(BENCHMARKS)
    # A Python subject starts its worker when told to, so that an error is told as one.
    opens: bool = False


# Adapter module and name in it, environment; the names of ours begin as workloads.sets.OURS says.
OURS = {
    "python await": ("glib", "await", "host"),
    "python gather": ("glib", "gather", "host"),
    "python sync": ("glib", "sync", "host"),
}
BASELINES = {
    "asyncio in process": ("baselines", "asyncio", "host"),
    "interpreter": ("baselines", "interpreter", "host"),
    "pipe": ("pipe", "pipe", "host"),
    "shared_memory": ("pipe", "shared_memory", "host"),
    "shared_memory, kept": ("pipe", "kept", "host"),
}
PEERS = {
    "pyisolate 0.10": ("pyisolate_peer", "pyisolate", "pyisolate"),
    "rpyc": ("rpyc_peer", "rpyc", "peers"),
    "pyro5": ("pyro_peer", "pyro5", "peers"),
    "execnet": ("execnet_peer", "execnet", "peers"),
    "appose": ("appose_peer", "appose", "peers"),
    "zeromq": ("zmq_peer", "zeromq", "peers"),
    "grpc": ("grpc_peer", "grpc", "peers"),
    "torch.multiprocessing": ("torch_peer", "torch", "peers"),
}
TORCH_ONLY = ("torch.multiprocessing", "pyisolate 0.10")


# Who needs no more than the array, the shared memory for it, and for a private one of torch's a new
# tensor each time. The others pack it into messages on one side, and unpack it on the other.
SHARING = (*OURS, "c sync", "c async", "gjs", "memcpy", "shared_memory", "shared_memory, kept")
COPIES = 6


def memory_needed(name, workload):
    """Bytes, in all processes of the subject together."""
    if not workload.is_array:
        return workload.n_bytes * COPIES
    if name.removesuffix(", D-Bus") in SHARING:
        is_shared = workload.kind.startswith("shared_")
        return workload.n_bytes * (2 if is_shared or workload.needs == "numpy" else 3)
    return workload.n_bytes * COPIES


# Those that are there for some workloads only, by kind, or by what a name begins with.
ONLY_FOR = {
    "raw": ("int", "str", "bytes", "many"),
    "memcpy": ("str", "bytes", "array_in", "array_echo"),
    "asyncio in process": ("many", "sleep"),
    "interpreter": ("start-def", "start-asyncio"),
    "c sync": ("echo", "bounce", "loaded"),
    "c async": ("echo", "many", "sleep", "bounce"),
    "python gather": ("many", "sleep"),
    "gjs": ("int", "str", "dict", "list-ints", "many", "sleep"),
}


# Another way into the same code: once is enough for what takes half a minute.
SECOND_WAYS = ("python sync", "python await, D-Bus", "shared_memory, kept")


def is_for(name, workload):
    """Whether the workload means anything for the subject."""
    if workload.only and not name.startswith(workload.only):
        return False
    if workload.n_bytes > 1 << 30 and name in SECOND_WAYS:
        return False
    chosen = ONLY_FOR.get(name)
    return chosen is None or workload.kind in chosen or workload.name.startswith(chosen)


class Subjects:
    """The specs of one run; environments are made when a spec is asked for."""

    def __init__(self, settings, environments, folder, options):
        self.settings = settings
        self.build = pathlib.Path(settings["build"])
        self.environments = environments
        self.folder = folder
        self.options = options

    def names(self):
        names = ["raw", "memcpy", "c sync", "c async"]
        if self.has_introspection():
            names += [*OURS, "gjs"] if shutil.which("gjs") else [*OURS]
            if self.options.dbus:
                names.append("python await, D-Bus")
        names += BASELINES
        if self.options.peers:
            names += [name for name in PEERS if name not in TORCH_ONLY or self.options.torch]
        return names

    def has_introspection(self):
        return (self.build / "introspection" / "PyIsolate-1.typelib").exists()

    def spec(self, name):
        programs = self.build / "tests" / "benchmarks"
        if name in ("raw", "memcpy"):
            return Spec(name, [str(programs / "benchmark-raw"), name])
        venvs = str(self.folder / "venvs")
        if name in ("c sync", "c async"):
            python = os.path.realpath(self.settings["python"])
            command = [
                str(programs / "benchmark-host"),
                name.split()[1],
                python,
                str(EXTENSION),
                venvs,
            ]
            return Spec(name, command, self.for_ours())
        if name == "gjs":
            python = os.path.realpath(self.settings["python"])
            script = str(BENCHMARKS / "programs" / "gjs-host.js")
            return Spec(name, ["gjs", script, python, str(EXTENSION), venvs], self.for_ours())
        transport = {}
        if name.endswith(", D-Bus"):
            transport = {"PYISOLATE_TRANSPORT": "dbus"}
        known = {**OURS, **BASELINES, **PEERS}
        module, adapter, environment = known[name.removesuffix(", D-Bus")]
        command = [self.environments.python(environment), "-m", "peers", module, adapter]
        # The workers of the pyisolate of PyPI find what they share with the host by this path.
        ours = {"PYTHONPATH": str(BENCHMARKS)}
        if module == "glib":
            ours = {**self.for_ours(), **transport}
        return Spec(name, command, {**ours, "BENCH_FOLDER": str(self.folder)}, opens=True)

    def for_ours(self):
        """The library as it lies in the build folder."""
        build = self.build
        return {
            "PYISOLATE_RUNTIME_DIR": str(build / "pyisolate-glib"),
            "PYISOLATE_LAUNCHER": str(build / "pyisolate-glib" / "launcher" / "pyisolate-launcher"),
            "GI_TYPELIB_PATH": str(build / "introspection"),
            "LD_LIBRARY_PATH": str(build / "pyisolate-glib"),
            "PYTHONPATH": str(build / "introspection" / "python"),
        }


def environment():
    """What every subject runs in: nothing that slows one down, or keeps bytecode from a cache."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "MALLOC_PERTURB_", "MALLOC_CHECK_", "G_DEBUG", "G_SLICE")
    result = {key: value for key, value in os.environ.items() if key not in unwanted}
    result.update(UV_PYTHON_DOWNLOADS="never", GIO_USE_VFS="local", GSETTINGS_BACKEND="memory")
    result.setdefault("UV_SYSTEM_CERTS", "true")
    return result
