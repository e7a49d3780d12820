#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print one interpreter for each CPython version from 3.9 that is present, the oldest first.

Looked at: PATH, and, where a directory of PATH holds the shims of a version manager, the
interpreters behind them. A shim itself is none, nor is a free-threaded build or another Python.
"""

import os
import pathlib
import re
import subprocess

PROBE = """
import os, sys, sysconfig
if sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print(sys.version_info[0], sys.version_info[1], os.path.realpath(sys.executable), sep="\\n")
"""
OLDEST = (3, 9)


def candidates():
    for entry in os.get_exec_path():
        folder = pathlib.Path(entry)
        if folder.name == "shims":
            yield from sorted(folder.parent.glob("versions/3.*/bin/python3"))
        elif folder.is_dir():
            for path in sorted(folder.glob("python3*")):
                if re.fullmatch(r"python3(\.\d+)?", path.name):
                    yield path


def main() -> None:
    found: dict[tuple[int, int], str] = {}
    tried = set()
    for path in candidates():
        real = path.resolve()
        if real in tried:
            continue
        tried.add(real)
        try:
            answer = subprocess.run(
                [real, "-I", "-S", "-c", PROBE], capture_output=True, text=True, timeout=20
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = answer.stdout.split("\n")
        if answer.returncode == 0 and len(lines) >= 3:
            version = (int(lines[0]), int(lines[1]))
            if version >= OLDEST:
                found.setdefault(version, lines[2])
    for version in sorted(found):
        print(found[version])


if __name__ == "__main__":
    main()
