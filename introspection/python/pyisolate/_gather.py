# SPDX-License-Identifier: MIT
"""Many awaitables at once, without a task for each call of an extension."""

import asyncio

import _pyisolate_host as native


class _Gathering(asyncio.Future):
    """What gather() returns; cancelling it cancels what it waits for."""

    _group = None

    def cancel(self, msg=None):
        return not self.done() and self._group.cancel(msg)


def gather(*awaitables, return_exceptions=False):
    """As asyncio.gather(), but calls of extensions are sent at once, and have no task each.

    It returns a future, whose result is the list of the results in the order of the arguments. The
    first exception is its exception; the others go on. With return_exceptions they are results.
    """
    loop = asyncio._get_running_loop()
    if loop is None:
        raise RuntimeError("pyisolate.gather() is to be called where an event loop runs")
    gathering = _Gathering(loop=loop)
    gathering._group = native.Group(gathering, loop, awaitables, return_exceptions)
    return gathering
