# SPDX-License-Identifier: MIT
"""What an extension tells: events, progress, records, prints."""

import contextvars
import logging
import os
import sys
import threading

import pyisolate

logger = logging.getLogger("tell.tale")


def events():
    pyisolate.emit_event("first", 1)
    pyisolate.progress(0.25, "a quarter")
    pyisolate.emit_event("second", {"a": [1, 2]})
    pyisolate.progress(1.0)
    return "done"


def event_from_thread():
    thread = threading.Thread(target=pyisolate.emit_event, args=("outside",))
    thread.start()
    thread.join()


def event_beside_answer(size):
    """A thread tells of the call while it is answered."""
    sys.setswitchinterval(1e-6)
    begun = threading.Event()

    def tell():
        begun.set()
        pyisolate.emit_event("beside", b"x" * size)

    threading.Thread(target=contextvars.copy_context().run, args=(tell,)).start()
    begun.wait()


def long_event_names():
    """Of a call, and of none."""
    errors = []

    def emit():
        try:
            pyisolate.emit_event("n" * 70_000_000)
        except OSError as error:
            errors.append(str(error))

    emit()
    thread = threading.Thread(target=emit)
    thread.start()
    thread.join()
    return errors


def bad_event():
    pyisolate.emit_event("bad", object())


def progress_from_thread():
    errors = []

    def run():
        try:
            pyisolate.progress(0.5)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors


def log():
    logger.info("not shown")
    logger.warning("shown %s", "warning")
    logging.error("by the root")


def log_exception():
    try:
        raise ZeroDivisionError("division")
    except ZeroDivisionError:
        logger.exception("it failed")


def log_odd():
    logger.warning("a\0b\ud800")


def log_bad():
    logger.warning("%d", "no number")


def configure():
    logging.basicConfig(level=logging.INFO)
    logger.info("shown by now")


def log_from_threads():
    threads = [
        threading.Thread(target=lambda n=n: [logger.warning("thread %d", n) for _ in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write():
    print("printed")
    sys.stderr.write("to stderr\n")
    os.write(1, b"stray bytes \xff\n")


def print_part():
    """A line that ends later is with the host when it ends."""
    print("one ", end="")
    print("line")
