# SPDX-License-Identifier: MIT
"""Ends, or misbehaves, in every way that a method can ask for."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import pyisolate

when = os.environ.get("FAULT_AT_IMPORT", "")
if when == "exit":
    os._exit(7)
elif when == "segv":
    ctypes.string_at(0)
elif when == "system-exit":
    sys.exit(8)
elif when == "hang":
    print("hanging", flush=True)
    while True:
        time.sleep(1000)


async def wait():
    await asyncio.Event().wait()


def fine():
    return "fine"


def leave(code):
    os._exit(code)


def segv():
    ctypes.string_at(0)


def abort():
    os.abort()


@pyisolate.inline
def raise_signal(number):
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(1000)


def _links():
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                yield number
        except OSError:
            pass


def shut_link():
    """The host sees the end of the link, while the process goes on."""
    for number in _links():
        socket.socket(fileno=os.dup(number)).shutdown(socket.SHUT_RDWR)
    time.sleep(1000)


def give_link():
    """Somebody else has this end of it, too."""
    return pyisolate.FileDescriptor(os.dup(3))


def close_link():
    for number in list(_links()):
        os.close(number)


def close_everything():
    os.closerange(0, 1000)


def close_link_and_hang():
    close_link()
    time.sleep(1000)


def replace_link_and_hang():
    """Somebody else has its number now."""
    reader, _ = os.pipe()
    for number in list(_links()):
        os.dup2(reader, number)
    time.sleep(1000)


def close_everything_and_hang():
    close_everything()
    while True:
        pass


def flood(megabytes, line_length):
    line = b"x" * (line_length - 1) + b"\n"
    block = line * max(1, 65536 // line_length)
    for _ in range(megabytes * 1024 * 1024 // len(block)):
        data = memoryview(block)
        while data:
            data = data[os.write(1, data) :]
    return "flooded"


def size_of(data):
    return len(data)


def exit_method():
    sys.exit("enough")


async def exit_coroutine():
    sys.exit("enough")


def start_sleepers():
    """A child, a forked copy of this process, a grandchild with a session of its own."""
    pids = [subprocess.Popen(["sleep", "1000"]).pid]
    pid = os.fork()
    if pid == 0:
        time.sleep(1000)
        os._exit(0)
    pids.append(pid)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild == 0:
            os.closerange(0, 3)
            os.execvp("sleep", ["sleep", "1000"])
        os.write(writer, b"%d" % grandchild)
        os._exit(0)
    pids.append(int(os.read(reader, 32)))
    return pids


def fork_and_return():
    """The child comes back from the method too; there is one answer."""
    if os.fork() == 0:
        return "child"
    os.wait()
    return "parent"


def never_stop():
    """Does not end when it is cancelled."""
    pyisolate.progress(0, "begun")
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1000)


def eat():
    """All the memory there is."""
    eaten = []
    while True:
        eaten.append(bytearray(1024 * 1024))
