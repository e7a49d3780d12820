# SPDX-License-Identifier: MIT
"""Calls the host's singletons from def code, and is called back meanwhile."""

import threading

import pyisolate


def call(name, method, *args, **kwargs):
    return getattr(pyisolate.singleton(name).sync, method)(*args, **kwargs)


def caught(name, method, *args):
    """The error of a call, as Python sees it."""
    try:
        call(name, method, *args)
    except pyisolate.RemoteError as error:
        return [error.domain, error.code, error.message, str(error)]
    return None


def missing(name):
    try:
        pyisolate.singleton(name)
    except LookupError as error:
        return str(error)


def missing_method(name, method):
    try:
        getattr(pyisolate.singleton(name), method)
    except AttributeError as error:
        return str(error)


def doc_of(name, method):
    return getattr(pyisolate.singleton(name), method).__doc__


def names_of(name):
    return [entry for entry in dir(pyisolate.singleton(name)) if not entry.startswith("_")]


def down(level):
    """How many levels were below: each is one call to the host and one back."""
    if level == 0:
        return 0
    return 1 + pyisolate.singleton("nest").sync.down(level - 1)


def tell(count):
    """What happens because of a call, of each kind."""
    for number in range(count):
        pyisolate.emit_event("told", number)
        pyisolate.singleton("nest").sync.note(number)
        pyisolate.progress(number / count)
        pyisolate.singleton("nest").sync.note(number)


def in_threads(name, method, count):
    """The same from threads of the extension's own."""
    results = []

    def run(number):
        results.append(getattr(pyisolate.singleton(name).sync, method)(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results)


def die():
    import os

    os._exit(3)
