# SPDX-License-Identifier: MIT
"""Imported only when somebody opens the FIFO that RELEASE names; says that it waits."""

import os

print("waiting", flush=True)
with open(os.environ["RELEASE"]) as fifo:
    fifo.read()


def answer():
    return 42
