# SPDX-License-Identifier: MIT
"""Makes small wheels: make-wheels.py DIRECTORY SPEC...

A SPEC is name==version, and then fields that begin with ";": requires=other<2 (several),
pad=BYTES (the size of one more module), file=path=text (several).
"""

import base64
import hashlib
import os
import re
import sys
import zipfile


def record(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def make(directory, spec):
    head, *fields = re.split(r";(?=(?:requires|pad|file)=)", spec)
    name, version = head.split("==")
    dist_info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    module = f"version = {version!r}\n\n\ndef main():\n    print({name!r}, version)\n"
    files = {f"{name}/__init__.py": module}
    for field in fields:
        key, _, value = field.partition("=")
        if key == "requires":
            metadata += f"Requires-Dist: {value}\n"
        elif key == "pad":
            files[f"{name}/pad.py"] = f"data = '{'x' * int(value)}'\n"
        elif key == "file":
            path, _, text = value.partition("=")
            files[path] = text
        else:
            sys.exit(f"unknown field {field}")
    files[f"{dist_info}/METADATA"] = metadata
    files[f"{dist_info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{dist_info}/entry_points.txt"] = f"[console_scripts]\n{name}-run = {name}:main\n"

    path = os.path.join(directory, f"{name}-{version}-py3-none-any.whl")
    records = ""
    with zipfile.ZipFile(path + ".tmp", "w") as wheel:
        for file, text in files.items():
            data = text.encode()
            # A date of its own, so that equal files make an equal wheel.
            wheel.writestr(zipfile.ZipInfo(file, (2020, 1, 1, 0, 0, 0)), data)
            records += record(file, data)
        wheel.writestr(
            zipfile.ZipInfo(f"{dist_info}/RECORD", (2020, 1, 1, 0, 0, 0)),
            records + f"{dist_info}/RECORD,,\n",
        )
    os.replace(path + ".tmp", path)


for argument in sys.argv[2:]:
    make(sys.argv[1], argument)
