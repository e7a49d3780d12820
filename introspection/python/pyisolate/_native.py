# SPDX-License-Identifier: MIT
"""What the files that a worker has too need of this side."""

import os

from _pyisolate_host import encoded_size

from ._logging import own

__all__ = ["OURS", "encoded_size", "warn"]

OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
"""Where this package lies: its frames are left out of tracebacks."""


def warn(message):
    """Of what is done otherwise than its writer meant it."""
    own.warning("%s", message)
