# SPDX-License-Identifier: MIT
"""Packages from PyPI: each extension gets the numpy that it asks for, whatever the caller has."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["PYISOLATE_TEST_PROGRAM"]
EXTENSION = """\
def version():
    import numpy
    return [numpy.__version__, numpy.__file__, float(numpy.arange(4).sum())]
"""
OLD = "numpy==1.26.4"
NEW = "numpy>=2,<3"


def python_with_wheels() -> str:
    """An interpreter for which numpy 1.26 has wheels, and numpy 2 too."""
    for path in os.environ["PYISOLATE_TEST_PYTHONS"].split(":"):
        if re.search(r"3\.(9|10|11|12)$", path):
            return path
    raise unittest.SkipTest("no Python from 3.9 to 3.12 is present")


class Packages(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.extension = self.folder / "which_numpy"
        self.extension.mkdir()
        (self.extension / "__init__.py").write_text(EXTENSION)
        self.python = python_with_wheels()

    def enterContext(self, manager):  # Python 3.11 has it
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value

    def start(self, requirement: str, python: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [PROGRAM, "call", "--dep", requirement, "--python", python, self.extension, "version"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen, version: str) -> str:
        out, err = process.communicate(timeout=240)
        self.assertEqual(process.returncode, 0, err)
        found, path, total = json.loads(out)
        self.assertTrue(found.startswith(version), found)
        self.assertEqual(total, 6.0)
        return path

    def make_caller(self, requirement: str) -> tuple:
        """An environment of the caller's own with numpy in it: its python, its site-packages."""
        venv = self.folder / "caller"
        subprocess.run(["uv", "venv", "--quiet", "--python", self.python, venv], check=True)
        python = str(venv / "bin" / "python")
        install = ["uv", "pip", "install", "--quiet", "--python", python, requirement]
        subprocess.run(install, check=True, timeout=240)
        (site,) = venv.glob("lib/python3.*/site-packages")
        return python, str(site)

    def test_new_numpy_where_the_caller_has_an_old_one(self):
        python, site = self.make_caller(OLD)
        path = self.finish(self.start(NEW, python, PYTHONPATH=site), "2.")
        self.assertNotIn("/caller/", path)

    def test_old_numpy_where_the_caller_has_a_new_one(self):
        python, site = self.make_caller(NEW)
        path = self.finish(self.start(OLD, python, PYTHONPATH=site), "1.26.")
        self.assertNotIn("/caller/", path)

    def test_one_directory_with_two_sets_at_once(self):
        processes = [(self.start(NEW, self.python), "2."), (self.start(OLD, self.python), "1.26.")]
        paths = {self.finish(process, version) for process, version in processes}
        self.assertEqual(len(paths), 2)
