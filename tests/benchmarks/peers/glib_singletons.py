# SPDX-License-Identifier: MIT
"""What the hosts in Python offer to the extensions that are measured."""

import pyisolate


class BenchHost(pyisolate.ProxiedSingleton):
    async def answer(self, value):
        return value


class Results(pyisolate.ProxiedSingleton):
    """By this name the example extensions know it."""

    def __init__(self):
        self.kept = {}

    def set(self, name, value):
        self.kept[name] = value

    def get(self, name):
        return self.kept[name]
