# SPDX-License-Identifier: MIT
"""Children that are no workers."""

import contextlib
import gc
import logging
import multiprocessing
import os
import stat
import sys
import threading

import pyisolate


def _square(n):
    return n * n


def _name_of_module(_):
    return __name__


def fork_and_return():
    """The child comes back from the method as well."""
    pid = os.fork()
    if pid == 0:
        return "from the child"
    return os.waitpid(pid, 0)[1]


def fork_and_close():
    """As those do that become daemons."""
    pid = os.fork()
    if pid == 0:
        sys.stdout.close()
        return None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork_and_raise():
    pid = os.fork()
    if pid == 0:
        raise ValueError("in the child")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork_and_use_link():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            pyisolate.singleton("host").sync.echo(1)
        except RuntimeError as error:
            os.write(write, str(error).encode())
        logging.warning("logged by the child")
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    return os.read(read, 1000).decode()


def _collect_and_leave():
    gc.collect()
    sys.exit(5)


def fork_and_end():
    """Children that end as any process does, one beside a thread that has called the host."""
    called, go = threading.Event(), threading.Event()

    def call():
        pyisolate.singleton("host").sync.echo(1)
        called.set()
        go.wait()

    thread = threading.Thread(target=call)
    thread.start()
    called.wait()
    child = multiprocessing.get_context("fork").Process(target=_collect_and_leave)
    child.start()
    child.join()
    pid = os.fork()
    if pid == 0:
        _collect_and_leave()
    go.set()
    thread.join()
    return [child.exitcode, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def fork_holds_link():
    """Whether the child still has a descriptor of the link's, or of its lane's."""
    status = [os.fstat(fd) for fd in (3, 4)]
    links = {one.st_ino for one in status if stat.S_ISSOCK(one.st_mode)}
    pid = os.fork()
    if pid == 0:
        inodes = set()
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the one that listed them
                inodes.add(os.fstat(int(name)).st_ino)
        os._exit(bool(links & inodes))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pool(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return [pool.map(_square, [1, 2, 3]), pool.map(_name_of_module, [1])[0] == __name__]


host = pyisolate.singleton("host")  # in each child as well, which imports this anew


def _about(_):
    try:
        host.sync.echo(1)
    except RuntimeError as error:
        message = str(error)
    return [pyisolate.extension_name, pyisolate.state_directory, dir(host), message]


def about_child(method):
    """What a child is told, and what it is told of the host's singleton when it calls it."""
    with multiprocessing.get_context(method).Pool(1) as pool:
        *about, message = pool.map_async(_about, [1]).get(timeout=60)[0]
    own = [pyisolate.extension_name, pyisolate.state_directory, dir(host)]
    return [about == own, "no link" in message]


def main_name():
    return sys.modules["__main__"].__name__
