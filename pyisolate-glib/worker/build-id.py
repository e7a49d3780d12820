#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a header with a name for what host and worker must have in common.

build-id.py OUTPUT VERSION FILE...
"""

import hashlib
import pathlib
import sys


def main() -> None:
    output, version, *files = sys.argv[1:]
    digest = hashlib.sha256(version.encode())
    for name in sorted(files, key=lambda file: pathlib.Path(file).name):
        digest.update(pathlib.Path(name).name.encode() + b"\0")
        digest.update(pathlib.Path(name).read_bytes())
    text = f'#pragma once\n\n#define PYISOLATE_BUILD_ID "{version}-{digest.hexdigest()[:16]}"\n'
    pathlib.Path(output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
