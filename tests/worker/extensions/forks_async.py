# SPDX-License-Identifier: MIT
"""A child of a worker with an event loop."""

import asyncio
import os


async def get_zero():
    return 0


async def fork_and_await():
    """The loop turns once more in the child, whose coroutine ends it and no call."""
    pid = os.fork()
    if pid == 0:
        await asyncio.sleep(0)
        raise SystemExit(7)
    loop = asyncio.get_running_loop()
    return os.waitstatus_to_exitcode((await loop.run_in_executor(None, os.waitpid, pid, 0))[1])
