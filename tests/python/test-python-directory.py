# SPDX-License-Identifier: MIT
"""Configurations from what an extension says of itself."""

import unittest

import pyisolate
from host_helper import HostTest

PROJECT = """
[project]
name = "told"
requires-python = ">=3.9"
dependencies = ["six>=1.16"]
[tool.pyisolate]
call-timeout = 2.5
stop-timeout = -1
source-paths = ["lib"]
share-torch = true
"""


class Directory(HostTest):
    def write_project(self, text):
        folder = self.write("def name(): return __name__")
        (folder / "pyproject.toml").write_text(text)
        return folder

    def test_what_its_files_say(self):
        folder = self.write_project(PROJECT)
        config = pyisolate.ExtensionConfig.from_directory(folder)
        self.assertEqual("told", config.name)
        self.assertEqual(str(folder), config.module_path)
        self.assertEqual(["six>=1.16"], config.dependencies)
        self.assertEqual(">=3.9", config.python)
        self.assertEqual([str(folder / "lib")], config.source_paths)
        self.assertEqual(2.5, config.call_timeout)
        self.assertIsNone(config.stop_timeout)
        self.assertEqual(60, config.start_timeout)
        self.assertTrue(config.share_torch)
        self.assertTrue(config.isolated)

    def test_what_is_given_comes_before_it(self):
        config = pyisolate.ExtensionConfig.from_directory(
            self.write_project(PROJECT), name="other", dependencies=[]
        )
        self.assertEqual("other", config.name)
        self.assertEqual([], config.dependencies)
        self.assertEqual(2.5, config.call_timeout)
        with self.assertRaisesRegex(TypeError, "depndencies"):
            pyisolate.ExtensionConfig.from_directory(self.folder / "sample", depndencies=[])

    def test_it_loads(self):
        folder = self.write("def name(): return __name__")
        manager = self.make_manager()
        ext = manager.load_extension(pyisolate.ExtensionConfig.from_directory(folder))
        self.assertEqual("sample", ext.sync.name())

    def test_errors(self):
        with self.assertRaisesRegex(pyisolate.BadConfigError, "no extension"):
            pyisolate.ExtensionConfig.from_directory(self.folder / "nothing")
        with self.assertRaisesRegex(pyisolate.BadConfigError, "colour"):
            pyisolate.ExtensionConfig.from_directory(
                self.write_project("[tool.pyisolate]\ncolour = 1\n")
            )


if __name__ == "__main__":
    unittest.main()
