# SPDX-License-Identifier: MIT
"""Functions only: nothing of asyncio is imported."""


def echo(value):
    return value
