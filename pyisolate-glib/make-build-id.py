# SPDX-License-Identifier: MIT
"""Write the header with the build id: a hash of the version and of what both ends of a link must share."""

import hashlib
import sys


def main() -> None:
    output, version, *sources = sys.argv[1:]
    digest = hashlib.sha256(version.encode())
    for source in sorted(sources):
        with open(source, "rb") as file:
            digest.update(file.read())
    with open(output, "w", encoding="utf-8") as file:
        file.write("/* Generated. */\n#pragma once\n\n")
        file.write(f'#define PYISOLATE_BUILD_ID "{version}-{digest.hexdigest()[:16]}"\n')


main()
