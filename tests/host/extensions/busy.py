# SPDX-License-Identifier: MIT
"""Coroutines that keep their event loop busy, and what comes between them."""

import asyncio

weighed = 0
seen_by = {}
"""Name of what came → how many had been weighed by then."""


async def weigh(data, fifo=""):
    """With a FIFO: once whoever opens it for writing has closed it, and nothing runs meanwhile."""
    global weighed
    if fifo:
        with open(fifo) as file:
            file.read()
    weighed += 1
    return len(data)


async def count():
    return weighed


async def sleep_and_see(name, seconds):
    try:
        await asyncio.sleep(seconds)
    finally:
        seen_by[name] = weighed


async def get_seen(name):
    while name not in seen_by:
        await asyncio.sleep(0)
    return seen_by[name]
