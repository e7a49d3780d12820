#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a header with a name for what host and worker must have in common.

build-id.py OUTPUT DEPFILE VERSION FILE...

The headers in the folders of these files count too, and DEPFILE names them for ninja.
"""

import hashlib
import pathlib
import sys


def find_headers(files: "list[pathlib.Path]", output: pathlib.Path) -> "set[pathlib.Path]":
    folders = {file.parent for file in files}
    headers = {header for folder in folders for header in folder.glob("*.h")}
    return headers - {output} - set(files)


def make_id(version: str, files: "list[pathlib.Path]") -> str:
    digest = hashlib.sha256(version.encode())
    for file in sorted(files, key=lambda file: file.name):
        digest.update(file.name.encode() + b"\0")
        digest.update(file.read_bytes())
    return f"{version}-{digest.hexdigest()[:16]}"


def main() -> None:
    output, depfile = map(pathlib.Path, sys.argv[1:3])
    files = [pathlib.Path(name) for name in sys.argv[4:]]
    headers = sorted(find_headers(files, output))
    name = make_id(sys.argv[3], files + headers)
    output.write_text(f'#pragma once\n\n#define PYISOLATE_BUILD_ID "{name}"\n', encoding="utf-8")
    target, *needed = (str(file).replace(" ", "\\ ") for file in [output, *headers])
    depfile.write_text(f"{target}: {' '.join(needed)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
