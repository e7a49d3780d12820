# SPDX-License-Identifier: MIT
"""What _errors.py, which a host has too, needs of this side."""

import os

from _pyisolate_native import encoded_size

__all__ = ["OURS", "encoded_size"]

OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
"""Where this runtime lies: its frames are left out of tracebacks."""
