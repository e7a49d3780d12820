# SPDX-License-Identifier: MIT
"""What is raised beside all calls, by a handler of signals or by a hook."""

import _thread
import signal
import sys
import threading

signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt(path):
    """The main thread, by another one, when there is a byte to read at the path."""

    def wait():
        with open(path, "rb", buffering=0) as fifo:
            fifo.read(1)
        _thread.interrupt_main()
        print("has interrupted", flush=True)

    threading.Thread(target=wait, daemon=True).start()


def add(a, b):
    return a + b


def hook(*about):
    print("hook", flush=True)
    sys.exit(1)


def hook_up():
    sys.excepthook = hook
