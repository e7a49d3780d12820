#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""with-packages.py REQUIREMENT… -- FILE ARGUMENT…: run a Python file with packages installed.

This interpreter runs it, with the packages of a virtual environment first on PYTHONPATH. The
environment is made by uv and kept in the cache directory, under the name of what it was made of.
Wheels that PIP_FIND_LINKS names count: of torch, those there need no GPU.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig


def make(folder, requirements):
    uv = os.environ.get("PYISOLATE_UV") or shutil.which("uv")
    if uv is None:
        sys.exit("uv is not on PATH")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    links = [f"--find-links={path}" for path in os.environ.get("PIP_FIND_LINKS", "").split()]
    temporary = folder.with_suffix(".new")
    shutil.rmtree(temporary, ignore_errors=True)
    for command in [
        [uv, "--quiet", "venv", "--no-project", "--python", sys.executable, str(temporary)],
        [uv, "--quiet", "pip", "install", *links, "--python", str(temporary), *requirements],
    ]:
        subprocess.run(command, check=True, env=environ, stdin=subprocess.DEVNULL)
    temporary.rename(folder)


def main():
    split = sys.argv.index("--")
    requirements = sys.argv[1:split]
    key = "\n".join([sys.executable, sys.version, *requirements])
    cache = pathlib.Path(os.environ["XDG_CACHE_HOME"]) / "pyisolate-test-packages"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder, requirements)
    version = sysconfig.get_python_version()
    site = folder / "lib" / f"python{version}" / "site-packages"
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{site}:{path}" if path else str(site)
    os.environ["PYISOLATE_TEST_SITE"] = str(site)
    os.execv(sys.executable, [sys.executable, *sys.argv[split + 1 :]])


if __name__ == "__main__":
    main()
