# SPDX-License-Identifier: MIT
"""The second thread, the pool, and the thread that raises CallCancelled in others."""

import os
import threading

import _pyisolate_native as native

from ._dispatch import report, serve

_lock = threading.Lock()
_pool_size = 0
_interrupter = None


def _pool_limit():
    return min(32, (os.cpu_count() or 1) + 4)


def start_second():
    _start_seated("pyisolate-second", _run_second)


def start_pool():
    _grow_pool()


def start_interrupter():
    global _interrupter
    with _lock:
        if _interrupter is None:
            _interrupter = threading.Thread(
                target=_run_interrupter, name="pyisolate-interrupter", daemon=True
            )
            _interrupter.start()


def _start_seated(name, target):
    """Start a thread, and wait until calls that come back can find it."""
    seated = threading.Event()
    threading.Thread(target=target, args=(seated,), name=name, daemon=True).start()
    seated.wait()


def _run_second(seated):
    native.take_seat(native.SECOND)
    seated.set()
    inbox = native.inbox(native.SECOND)
    while (frame := _next(inbox)) is not None:
        _serve(frame)


def _grow_pool():
    global _pool_size
    with _lock:
        if _pool_size == _pool_limit():
            return
        _pool_size += 1
        number = _pool_size
    threading.Thread(target=_run_pool, name=f"pyisolate-pool-{number}", daemon=True).start()


def _run_pool():
    native.take_seat(native.POOL)
    inbox = native.inbox(native.POOL)
    while (frame := _next(inbox)) is not None:
        if not inbox.waiting:
            _grow_pool()  # one is always there for the next call
        _serve(frame)


def _next(inbox):
    try:
        return inbox.get()
    except EOFError:
        return None


def _serve(frame):
    try:
        serve(frame)
    except BaseException as error:
        report(error)


def _run_interrupter():
    inbox = native.inbox(-1)
    while (frame := _next(inbox)) is not None:
        native.interrupt(frame)
