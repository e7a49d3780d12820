# SPDX-License-Identifier: MIT
"""Hosts as programs of their own, and what is left of them."""

import ctypes
import os
import pathlib
import subprocess
import sys
import time

from host_helper import DEADLINE, HostTest

EXTENSION = """
import asyncio
import pyisolate


def add(a, b=2):
    return a + b


def block(seconds):
    import time

    time.sleep(seconds)


async def wait():
    await asyncio.sleep(1000)


async def echo(value):
    return value


async def ask(method, value):
    return await getattr(pyisolate.singleton("Host"), method)(value)


def ask_sync(method, value):
    return getattr(pyisolate.singleton("Host").sync, method)(value)



def ask_unasked(word):
    import threading

    def run():
        try:
            answers.append(ask_sync("take", word))
        except pyisolate.RemoteError as error:
            pyisolate.emit_event("told", "not any more")
            answers.append(f"{word}: {error}")

    answers = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]
"""


def adopt_orphans():
    """What a host leaves behind becomes a child of this process."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children():
    return pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


class ProgramTest(HostTest):
    @classmethod
    def setUpClass(cls):
        adopt_orphans()

    def start(self, program, *arguments):
        path = self.folder / "host.py"
        path.write_text(program)
        arguments = [str(word) for word in arguments]
        return subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process):
        out, err = process.communicate(timeout=DEADLINE / 2)
        self.no_child_is_left(err)
        return out, err

    def no_child_is_left(self, context=""):
        end = time.monotonic() + DEADLINE / 4
        while True:
            try:
                found, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if found == 0:
                if time.monotonic() > end:
                    names = [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in children()]
                    self.fail(f"left behind: {names} {context}")
                time.sleep(0.01)  # nothing tells of another process's children but waiting
