# SPDX-License-Identifier: MIT
"""Signals while the last of what it has to say is being sent."""

import os
import signal

n_told = 0


def text(length):
    global n_told
    n_told += 1
    return "x" * length


def get_told():
    return n_told


def be_interrupted(path):
    """By each SIGWINCH from now on; it writes a byte there."""
    signal.set_wakeup_fd(os.open(path, os.O_RDWR | os.O_NONBLOCK), warn_on_full_buffer=False)
    signal.signal(signal.SIGWINCH, lambda number, frame: None)
