# SPDX-License-Identifier: MIT
"""Says itself which its methods are."""

from math import sqrt
from os.path import join

__all__ = ["LIMIT", "_private", "join", "mine", "sqrt"]
LIMIT = 1


def mine():
    return 1


def not_listed():
    return 2


def _private():
    return 3
