# SPDX-License-Identifier: MIT
"""The extension, and the tests of its writer, by which pyisolate.testing is tested."""

EXTENSION = """
import pyisolate
from shared import DatabaseAPI


class Stats(pyisolate.ExtensionBase):
    async def add(self, a, b):
        await DatabaseAPI().note(a + b)
        self.emit_event("added", a + b)
        return a + b

    async def limit(self):
        return await DatabaseAPI().get("limit")

    async def stop(self):
        await DatabaseAPI().note("stopped")
"""

TESTS = """
import asyncio
import os

import pyisolate
import pytest
from pyisolate.testing import Events, fake_singleton

noted = []
Database = fake_singleton(
    "shared.DatabaseAPI",
    get=lambda self, key: {"limit": 3}.get(key),
    note=lambda self, value: noted.append(value),
)


@pytest.fixture(params=[True, False])
def stats(request, load_extension):
    return load_extension("extensions/stats", apis=[Database], isolated=request.param)


def test_add(stats):
    assert (stats.pid == os.getpid()) is not stats.config.isolated
    noted.clear()
    assert stats.sync.add(1, 2) == 3
    assert noted == [3]
    assert asyncio.run(stats.add(1, 2)) == 3


def test_stopped_at_the_end(extension_manager):
    assert noted[-1] == "stopped"
    assert extension_manager.extensions == {}


def test_events(stats):
    events = Events(stats, "added")
    stats.sync.add(1, 2)
    assert events.next() == ("added", 3)
    with pytest.raises(AssertionError, match="No event"):
        events.next(timeout=0)
    assert events.all == [("added", 3)]


def test_own_singletons(stats):
    assert stats.sync.limit() == 3
    assert not hasattr(Database(), "seen")
    Database().seen = True


def test_own_singletons_again():
    assert not hasattr(Database(), "seen")


def test_fails(stats):
    assert stats.sync.add(1, 2) == 4
"""
