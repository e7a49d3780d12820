# SPDX-License-Identifier: MIT
"""Extensions that use the torch of a host in Python. A small package plays torch."""

import sys
import unittest

import pyisolate
from host_helper import HostTest

EXTENSION = """
    import importlib.metadata
    import importlib.util
    import os


    def look():
        import torch

        return torch.name, os.path.realpath(torch.__file__), importlib.metadata.version("torch")


    def has(name):
        return importlib.util.find_spec(name) is not None
"""


class SharedTorch(HostTest):
    def setUp(self):
        super().setUp()
        self.site = self.folder / "site"
        files = {
            "torch/__init__.py": "name = 'of the host'\n",
            "torch-2.13.0.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n"
            ),
            "torch-2.13.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        }
        files["torch-2.13.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
        files["neighbour.py"] = ""
        for name, text in files.items():
            path = self.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def check(self, extension):
        async def call():
            return await extension.look(), await extension.has("neighbour")

        (name, path, version), neighbour = self.run_async(call())
        self.assertEqual("of the host", name)
        self.assertEqual(str((self.site / "torch" / "__init__.py").resolve()), path)
        self.assertEqual("2.13.0", version)
        self.assertFalse(neighbour)

    def test_the_hosts_own(self):
        sys.path.insert(0, str(self.site))
        self.addCleanup(sys.path.remove, str(self.site))
        before = set(sys.modules)
        manager = self.make_manager()
        self.check(self.load(manager, EXTENSION, share_torch=True))
        self.assertNotIn("torch", set(sys.modules) - before)

    def test_a_named_one(self):
        manager = self.make_manager(torch_environment=str(self.site))
        self.check(self.load(manager, EXTENSION, share_torch=True))
        other = self.load(manager, EXTENSION, name="other")
        self.assertFalse(other.sync.has("torch"))

    def test_none(self):
        with self.assertRaisesRegex(pyisolate.BadConfigError, "this Python has none"):
            self.load(self.make_manager(), EXTENSION, share_torch=True)

    def test_not_from_a_wheel(self):
        (self.site / "torch-2.13.0.dist-info" / "RECORD").unlink()
        manager = self.make_manager(torch_environment=str(self.site))
        extension = self.load(manager, EXTENSION, share_torch=True)
        with self.assertRaisesRegex(pyisolate.BadConfigError, "not installed from a wheel"):
            extension.sync.look()


if __name__ == "__main__":
    unittest.main()
