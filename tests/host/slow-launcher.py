#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A launcher to which a tree that is gone seems to take long to end; see launcher/launcher.c."""

import os
import select
import signal
import socket
import sys
import time

SECONDS = 1.2


def main(arguments):
    split = arguments.index("--")
    options = dict(option.split("=") for option in arguments[:split] if "pass" not in option)
    control = socket.socket(fileno=int(options["--control-fd"]))
    passed = [int(option.split("=")[1]) for option in arguments[:split] if "pass-fd" in option]
    os.setsid()
    pid = os.fork()
    if pid == 0:
        control.close()
        for descriptor in passed:
            os.set_inheritable(descriptor, True)
        os.execv(arguments[split + 1], arguments[split + 1 :])
    for descriptor in passed:
        os.close(descriptor)
    control.send(b"pid %d" % pid)
    pidfd = os.pidfd_open(pid)
    while pidfd not in select.select([control, pidfd], [], [])[0]:
        if control.recv(64) in (b"kill", b""):
            os.kill(pid, signal.SIGKILL)
            break
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    control.send(b"signal %d 0 0" % -status if status < 0 else b"exit %d" % status)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.1)
        control.send(b"ending 1")
    control.send(b"gone")


main(sys.argv[1:])
