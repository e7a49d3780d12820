# SPDX-License-Identifier: MIT
"""Virtual environments for the subjects, by uv, below the build folder."""

import hashlib
import os
import pathlib
import shutil
import subprocess

from .subject import FailedError

NUMPY = ["numpy>=2,<3"]
TORCH = ["torch==2.13.0"]
# All but the first are what `--peers` is for.
REQUIREMENTS = {
    "host": NUMPY,
    "peers": [
        *NUMPY,
        "rpyc==6.0.2",
        "Pyro5==5.17",
        "msgpack>=1.1,<2",
        "execnet==2.1.2",
        "appose==0.12.0",
        "pyzmq==27.3.0",
        "grpcio==1.85.1",
    ],
    # It needs torch for all that it does.
    "pyisolate": ["pyisolate==0.10.2", *NUMPY, *TORCH],
    "plot": ["matplotlib>=3.8,<4"],
}
# Of what uv says, the end.
MOST_WORDS = 500
WITH_TORCH = ("host", "peers")
# PyGObject is the system's.
WITH_SYSTEM_PACKAGES = ("host",)


class Environments:
    def __init__(self, settings, folder, torch, progress):
        self.settings = settings
        self.folder = folder / "environments"
        self.torch = torch
        self.progress = progress
        self.uv = find_uv(settings)
        self.errors = {}

    def requirements(self, name):
        with_torch = TORCH if self.torch and name in WITH_TORCH else []
        return [*REQUIREMENTS[name], *with_torch]

    def place(self, name):
        parts = [self.settings["python"], *self.requirements(name)]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return self.folder / f"{name}-{key[:8]}"

    def found(self, name):
        """The interpreter of the environment if that is there, or None."""
        folder = self.place(name)
        return str(folder / "bin" / "python") if (folder / "complete").exists() else None

    def python(self, name):
        """The interpreter of the environment, which is made if it is not there yet."""
        # Those who share it need not wait again for what cannot be had.
        if name in self.errors:
            raise self.errors[name]
        if not self.found(name):
            folder, requirements = self.place(name), self.requirements(name)
            self.progress(f"making the environment {folder.name}: {', '.join(requirements)}")
            try:
                self.make(folder, name, requirements)
            except FailedError as error:
                self.errors[name] = error
                raise
            (folder / "complete").touch()
        return self.found(name)

    def make(self, folder, name, requirements):
        if folder.exists():
            shutil.rmtree(folder)
        system = ["--system-site-packages"] if name in WITH_SYSTEM_PACKAGES else []
        self.run(
            "venv", "--quiet", "--no-project", "--python", self.settings["python"], *system, folder
        )
        self.run(
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            folder,
            *find_links(),
            *requirements,
        )

    def run(self, *arguments):
        environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        environment.setdefault("UV_SYSTEM_CERTS", "true")
        environment.setdefault("UV_CACHE_DIR", str(self.folder.parent / "uv-cache"))
        done = subprocess.run(
            [self.uv, *map(str, arguments)],
            check=False,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        if done.returncode:
            why = " ".join(done.stderr.split()) or f"status {done.returncode}"
            raise FailedError(f"no environment: uv {arguments[0]}: {why[-MOST_WORDS:]}")


def find_links():
    """A folder of wheels that the machine has for pip is good for uv, too."""
    return [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]


def find_uv(settings):
    tools = pathlib.Path(settings["build"]) / "tools" / "bin"
    found = shutil.which("uv", path=os.pathsep.join([str(tools), os.environ.get("PATH", "")]))
    if not found:
        raise SystemExit("run: the program uv is needed; ./quickstart.sh brings it")
    return found
