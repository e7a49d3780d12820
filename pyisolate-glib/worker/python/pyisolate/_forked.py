# SPDX-License-Identifier: MIT
"""A child that a method has forked and that came back from it. A host has this file too.

Imported when there is one.
"""

import os
import sys


def leave(code, error=None):
    """It has no call to answer, and nobody at the other end."""
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
    try:
        flush()
    finally:
        os._exit(code)


def flush():
    """What the extension has closed, or replaced by what is none, has nothing to say."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            continue
