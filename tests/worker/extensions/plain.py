# SPDX-License-Identifier: MIT
"""Plain functions."""

import os
import sys
import threading
from os.path import join  # noqa: F401 - imported, so none of the methods

import pyisolate

LIMIT = 3


def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    And say so.
    """
    return a + b


def echo(value):
    return value


def fail(message):
    raise ValueError(message)


def where():
    return threading.current_thread() is threading.main_thread()


def about():
    return [pyisolate.extension_name, pyisolate.state_directory == os.environ["HOME"]]


def modules():
    costly = {"asyncio", "dataclasses", "inspect", "logging", "ssl", "traceback"}
    return sorted(sys.modules.keys() & costly)


def _hidden():
    return None


def numbers(n):
    yield from range(n)
