# SPDX-License-Identifier: MIT
"""The program `pyisolate` of a virtual environment: starts the one beside the package."""

import os
import sys


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    uv = os.path.join(sys.prefix, "bin", "uv")
    if os.access(uv, os.X_OK):
        os.environ.setdefault("PYISOLATE_UV", uv)
    os.execv(os.path.join(folder, "pyisolate", "pyisolate"), sys.argv)
