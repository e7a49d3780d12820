# SPDX-License-Identifier: MIT
"""The least that has asyncio."""

import asyncio


async def echo(value):
    await asyncio.sleep(0)
    return value
