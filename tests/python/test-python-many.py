# SPDX-License-Identifier: MIT
"""Fifty extensions, and ten thousand nested calls between them at once: none is lost."""

import asyncio
import time
import unittest

import pyisolate
from host_helper import HostTest

EXTENSIONS = 50
CALLS = 10_000

SOURCE = """
import pyisolate
from test_python_many import Exchange

seen = 0


async def relay(path, value):
    global seen
    seen += 1
    if not path:
        return [value, pyisolate.extension_name]
    return [*await Exchange().forward(path, value + 1), pyisolate.extension_name]


async def count():
    return seen
"""


class Exchange(pyisolate.ProxiedSingleton):
    """Passes a call on to the extension that stands first in its path."""

    def __init__(self):
        self.extensions = {}
        self.most = self.under_way = 0

    async def forward(self, path, value):
        first, *rest = path
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self.extensions[first].relay(rest, value)
        finally:
            self.under_way -= 1


class Many(HostTest):
    def test_none_is_lost(self):
        async def main():
            exchange = Exchange()
            async with self.make_manager(max_parallel_starts=8) as manager:
                result = await manager.load_all(
                    [
                        {"name": f"e{n}", "module_path": path, "apis": [Exchange]}
                        for n, path in enumerate([self.write(SOURCE, "relay")] * EXTENSIONS)
                    ]
                )
                self.assertEqual({}, result.failed)
                exchange.extensions = result
                started = time.monotonic()
                answers = await asyncio.gather(
                    *(
                        result[first].relay([second, third], n)
                        for n, first, second, third in paths()
                    )
                )
                seconds = time.monotonic() - started
                wrong = [
                    (n, answer)
                    for (n, *path), answer in zip(paths(), answers)
                    if answer != [n + 2, *reversed(path)]
                ]
                self.assertEqual([], wrong[:3])
                self.assertEqual(CALLS, len(answers))
                counts = await asyncio.gather(*(ext.count() for ext in result.values()))
                self.assertEqual(3 * CALLS, sum(counts))
                self.assertGreater(exchange.most, CALLS / 10)
                print(f"# {3 * CALLS} calls in {seconds:.1f} s, {exchange.most} at once")

        self.run_async(main())


def paths():
    for n in range(CALLS):
        yield n, f"e{n % EXTENSIONS}", f"e{n * 7 % EXTENSIONS}", f"e{(n * 11 + 3) % EXTENSIONS}"


if __name__ == "__main__":
    unittest.main()
