# SPDX-License-Identifier: MIT
"""Sends what needs memory of the host's, beside a thread that calls the host again and again."""

import threading

import pyisolate

host = pyisolate.singleton("host")
stop = threading.Event()
numbers = list(range(5000))


def _call_again_and_again():
    while not stop.is_set():
        host.sync.echo("tick")


thread = threading.Thread(target=_call_again_and_again)


def start():
    thread.start()


def end():
    stop.set()
    thread.join()


def answer():
    return numbers


def call():
    return host.sync.echo(numbers) == numbers


async def answer_async():
    return numbers


async def call_async():
    return await host.echo(numbers) == numbers
