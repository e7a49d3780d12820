# SPDX-License-Identifier: MIT
"""The pyisolate of PyPI in its fastest way: coupled to the host's torch, without a sandbox."""

import itertools
import os
import pathlib
import time

import pyisolate
from pyisolate import SandboxMode

from .base import AsyncAdapter, CannotError
from .pyisolate_shared import BenchHost, Measured

EXTENSION = pathlib.Path(__file__).resolve().parents[1] / "extensions" / "pyisolate_010"


class Pyisolate(AsyncAdapter):
    cannot = {"numpy": "NumPy's arrays arrive as lists"}  # noqa: RUF012
    numbers = itertools.count()

    def open(self):
        folder = pathlib.Path(os.environ["BENCH_FOLDER"]) / "venvs-pyisolate"
        folder.mkdir(exist_ok=True)
        self.manager = pyisolate.ExtensionManager(
            Measured, pyisolate.ExtensionManagerConfig(venv_root_path=str(folder))
        )
        self.extension = self.load()
        self.run(self.call("echo", 1))

    def load(self):
        return self.manager.load_extension(
            pyisolate.ExtensionConfig(
                name=f"measured-{next(self.numbers)}",
                module_path=str(EXTENSION),
                isolated=True,
                dependencies=[],
                apis=[BenchHost],
                share_torch=True,
                sandbox_mode=SandboxMode.DISABLED,
            )
        )

    def close(self):
        self.manager.stop_all_extensions()

    def call(self, name, *arguments):
        return getattr(self.extension, name)(*arguments)

    def share(self, array):
        import torch

        if not isinstance(array, torch.Tensor):
            raise CannotError("it shares torch tensors only")
        return array.share_memory_()

    def bounce(self, seconds, most):
        return self.run(self.call("bounce", seconds, most))

    def bind_ring(self, workload):
        raise CannotError("its tensor mode is one for all extensions of a process; one is measured")

    def start(self, workload):
        """A second extension: the host has imported torch already."""
        begin = time.perf_counter_ns()
        extension = self.load()
        self.run(extension.echo(1))
        ns = time.perf_counter_ns() - begin
        extension.stop()
        return ns

    def workers(self, number, kind):
        if number > 1 or kind != "def":
            raise CannotError("one extension is measured")


ADAPTERS = {"pyisolate": Pyisolate}
