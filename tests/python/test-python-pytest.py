# SPDX-License-Identifier: MIT
"""pyisolate.testing as a plug-in of pytest, in a venv beside the system's PyGObject."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from testing_extension import EXTENSION, TESTS


class Plugin(unittest.TestCase):
    def test_fixtures(self):
        with tempfile.TemporaryDirectory(prefix="pyisolate-pytest-") as folder:
            folder = pathlib.Path(folder)
            python = folder / "venv" / "bin" / "python"
            venv = [sys.executable, "-m", "venv", "--system-site-packages", folder / "venv"]
            subprocess.run(venv, check=True)
            pip = [
                python,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "pytest>=8,<10",
            ]
            subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
            (folder / "extensions" / "stats").mkdir(parents=True)
            (folder / "extensions" / "stats" / "__init__.py").write_text(EXTENSION)
            (folder / "test_stats.py").write_text(TESTS)
            done = subprocess.run(
                [python, "-m", "pytest", "-p", "pyisolate.testing", "-v", "--color=no", "."],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.assertEqual(1, done.returncode, done.stdout)
        for name in ("add", "events", "own_singletons", "fails"):
            good = "FAILED" if name == "fails" else "PASSED"
            for isolated in ("True", "False"):
                self.assertIn(f"test_stats.py::test_{name}[{isolated}] {good}", done.stdout)
        for name in ("stopped_at_the_end", "own_singletons_again"):
            self.assertIn(f"test_stats.py::test_{name} PASSED", done.stdout)
        self.assertIn("2 failed, 8 passed", done.stdout)


if __name__ == "__main__":
    unittest.main()
