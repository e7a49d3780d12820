# SPDX-License-Identifier: MIT
"""The name of a build: another one whenever what host and worker have in common is another."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

LIBRARY = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"]) / "pyisolate-glib"
SCRIPT = LIBRARY / "worker" / "build-id.py"
FOLDERS = ("link", "worker", "worker/codec")


class BuildId(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="a folder ")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        for name in FOLDERS:
            (self.folder / name).mkdir()
            for file in (LIBRARY / name).glob("*.[ch]"):
                shutil.copy(file, self.folder / name)
        self.sources = sorted(self.folder.rglob("*.c"))
        self.headers = sorted(self.folder.rglob("*.h"))
        self.output = self.folder / "worker" / "pyisolate-build-id.h"
        self.depfile = self.folder / "depfile"

    def make(self, version: str = "1.0") -> str:
        subprocess.run(
            [sys.executable, SCRIPT, self.output, self.depfile, version, *self.sources],
            check=True,
            timeout=20,
        )
        return self.output.read_text()

    def test_each_file_counts(self):
        first = self.make()
        self.assertIn('#define PYISOLATE_BUILD_ID "1.0-', first)
        self.assertEqual(self.make(), first)
        self.assertNotEqual(self.make("1.1"), first)
        last = first
        for file in self.sources[::8] + self.headers:
            file.write_text(file.read_text() + "\n/* more */\n")
            with self.subTest(file=file.name):
                self.assertNotEqual(self.make(), last)
            last = self.output.read_text()

    def test_ninja_knows_the_headers(self):
        self.make()
        text = self.depfile.read_text()
        for file in [self.output, *self.headers]:
            self.assertIn(str(file).replace(" ", "\\ "), text)
