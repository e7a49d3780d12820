# SPDX-License-Identifier: MIT
"""pyisolate.testing as a plug-in of pytest, in a venv beside the system's PyGObject."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from testing_extension import EXTENSION, TESTS


class Plugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-pytest-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.python = cls.folder / "venv" / "bin" / "python"
        venv = [sys.executable, "-m", "venv", "--system-site-packages", cls.folder / "venv"]
        subprocess.run(venv, check=True)
        pip = [cls.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "pytest>=8,<=9.2.0"], check=True, stdout=subprocess.DEVNULL)

    def run_pytest(self, name, extension, tests):
        folder = self.folder / name
        (folder / "extensions" / "stats").mkdir(parents=True)
        (folder / "extensions" / "stats" / "__init__.py").write_text(extension)
        (folder / "test_stats.py").write_text(tests)
        done = subprocess.run(
            [self.python, "-m", "pytest", "-p", "pyisolate.testing", "-v", "--color=no", "."],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def test_fixtures(self):
        code, out = self.run_pytest("fixtures", EXTENSION, TESTS)
        self.assertEqual(1, code, out)
        for name in ("add", "events", "own_singletons", "fails"):
            good = "FAILED" if name == "fails" else "PASSED"
            for isolated in ("True", "False"):
                self.assertIn(f"test_stats.py::test_{name}[{isolated}] {good}", out)
        for name in ("stopped_at_the_end", "own_singletons_again"):
            self.assertIn(f"test_stats.py::test_{name} PASSED", out)
        self.assertIn("2 failed, 8 passed", out)


if __name__ == "__main__":
    unittest.main()
