# SPDX-License-Identifier: MIT
"""The same as signals.py, on an event loop."""

import functools
import importlib.util
import os

path = os.path.join(os.path.dirname(__file__), "signals.py")
spec = importlib.util.spec_from_file_location("signals_of_defs", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


def is_async(function):
    @functools.wraps(function)
    async def wrapper(*args):
        return function(*args)

    return wrapper


class Decorated:
    """Calling it runs Python of this one's own, which is not the coroutine's yet."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args):
        return self.function(*args)


async def interrupt(path):
    module.interrupt(path)


async def hook_up():
    module.hook_up()


@is_async
def plain(a, b):
    return a + b


async def _add(a, b):
    return a + b


add = Decorated(_add)
__all__ = ["add", "hook_up", "interrupt", "plain"]
