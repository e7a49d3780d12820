# SPDX-License-Identifier: MIT
"""Virtual environments for the subjects, by uv, below the build folder."""

import hashlib
import os
import pathlib
import shutil
import subprocess

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

    def python(self, name):
        """The interpreter of the environment, which is made if it is not there yet."""
        requirements = list(REQUIREMENTS[name])
        if self.torch and name in WITH_TORCH:
            requirements += TORCH
        key = hashlib.sha256(
            "\n".join([self.settings["python"], *requirements]).encode()
        ).hexdigest()
        folder = self.folder / f"{name}-{key[:8]}"
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            self.progress(f"making the environment {folder.name}: {', '.join(requirements)}")
            self.make(folder, name, requirements)
            (folder / "complete").touch()
        return str(python)

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
        subprocess.run([self.uv, *map(str, arguments)], check=True, env=environment)


def find_links():
    """A folder of wheels that the machine has for pip is good for uv, too."""
    return [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]


def find_uv(settings):
    tools = pathlib.Path(settings["build"]) / "tools" / "bin"
    found = shutil.which("uv", path=os.pathsep.join([str(tools), os.environ.get("PATH", "")]))
    if not found:
        raise SystemExit("run: the program uv is needed; ./quickstart.sh brings it")
    return found
