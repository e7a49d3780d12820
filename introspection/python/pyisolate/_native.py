# SPDX-License-Identifier: MIT
"""What _errors.py, which a worker has too, needs of this side."""

import os

from _pyisolate_host import encoded_size

__all__ = ["OURS", "encoded_size"]

OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
"""Where this package lies: its frames are left out of tracebacks."""
