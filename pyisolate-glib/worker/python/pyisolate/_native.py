# SPDX-License-Identifier: MIT
"""What the files that a host has too need of this side."""

import os

from _pyisolate_native import encoded_size, log

__all__ = ["OURS", "encoded_size", "warn"]

OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
"""Where this runtime lies: its frames are left out of tracebacks."""


def warn(message):
    """Of what is done otherwise than its writer meant it."""
    log(30, "pyisolate", message)
