# SPDX-License-Identifier: MIT
"""pyisolate.testing without pytest."""

import asyncio
import unittest

import pyisolate.testing
from host_helper import HostTest
from testing_extension import EXTENSION


class Testing(HostTest):
    def make_class(self, noted):
        return pyisolate.testing.fake_singleton(
            "shared.DatabaseAPI",
            get=lambda self, key: {"limit": 3}.get(key),
            note=lambda self, value: noted.append(value),
        )

    def test_loading(self):
        path = self.write(EXTENSION, "stats")
        for isolated in (True, False):
            with self.subTest(isolated=isolated):
                noted = []
                api = self.make_class(noted)
                with pyisolate.testing.managing(venv_root_path=str(self.folder / "v")) as manager:
                    load = pyisolate.testing.loading(manager)
                    ext = load(path, apis=[api], isolated=isolated)
                    self.assertEqual("running", ext.state)
                    self.assertEqual("stats", ext.name)
                    self.assertEqual(3, ext.sync.limit())
                    events = pyisolate.testing.Events(ext, "added")
                    self.assertEqual(3, asyncio.run(asyncio.wait_for(ext.add(1, 2), 30)))
                    inside = api()
                self.assertEqual([3, "stopped"], noted)
                self.assertEqual("stopped", ext.state)
                self.assertIsNot(inside, api())
                self.assertIn(events.all, ([], [("added", 3)]))

    def test_names(self):
        with self.assertRaisesRegex(ValueError, r"module\.Class"):
            pyisolate.testing.fake_singleton("DatabaseAPI")


if __name__ == "__main__":
    unittest.main()
