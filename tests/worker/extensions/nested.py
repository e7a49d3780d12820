# SPDX-License-Identifier: MIT
"""Calls of singletons from defs, on the main thread alone."""

import asyncio
import sqlite3
import threading

import pyisolate

host = pyisolate.singleton("host")
at_import = host.sync.echo("imported")

# Bound to the thread that made it.
database = sqlite3.connect(":memory:")
database.execute("create table t (n)")


def get_at_import():
    return at_import


def insert(n):
    database.execute("insert into t values (?)", (n,))
    return database.execute("select count(*) from t").fetchone()[0]


def echo(value):
    return host.sync.echo(value)


def down(n):
    return 1 + host.sync.call_back("down", n - 1) if n else 0


def fail():
    return host.sync.fail()


def caught():
    try:
        host.sync.fail()
    except pyisolate.RemoteError as error:
        return [error.domain, error.code, error.message, str(error)]


def call_back(method, *args):
    return host.sync.call_back(method, *args)


def where():
    return threading.current_thread() is threading.main_thread()


def unknown_singleton():
    return pyisolate.singleton("databas")


def unknown_method():
    return host.sync.ecko(1)


def any_method():
    return pyisolate.singleton("open").sync.echo(5)


def names():
    return [host.echo.__doc__, host.echo.__qualname__, "echo" in dir(host), repr(host)]


def unencodable():
    return host.sync.echo(object())


def own_thread(value):
    """A thread of the extension's own asks the host while the main thread waits for the thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(host.sync.echo(value)))
    thread.start()
    thread.join()
    return results


def own_thread_call_back(method):
    results = []
    thread = threading.Thread(target=lambda: results.append(host.sync.call_back(method)))
    thread.start()
    thread.join()
    return results


def own_loop(value):
    async def main():
        return await asyncio.gather(host.echo(value), host.echo(value))

    return list(asyncio.run(main()))


def own_loop_twice(value):
    return [own_loop(value), own_loop(value)]


def own_loop_down(n):
    if not n:
        return 0

    async def main():
        return await host.call_back("own_loop_down", n - 1)

    return 1 + asyncio.run(main())


def wait_silently():
    return host.sync.silent()
