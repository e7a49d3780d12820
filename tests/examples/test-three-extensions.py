# SPDX-License-Identifier: MIT
"""The demo: real packages from PyPI, whatever numpy the caller has."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

LINE = re.compile(
    r"^(?P<name>\S+) +(?P<verdict>PASSED|FAILED)  (?P<did>[^:]+): .+"
    r"\[numpy (?P<numpy>\d+)\.\S+, pid (?P<pid>\d+)\]$"
)
EXPECTED = {
    "data-processing": ("Data processing with pandas/numpy 1.x", "1"),
    "array-math": ("Array math with numpy 2.x", "2"),
    "web-text": ("Web text with BeautifulSoup/scipy", "2"),
}


def python_with_wheels() -> str:
    """An interpreter for which numpy 1.26 has wheels."""
    for path in os.environ["PYISOLATE_TEST_PYTHONS"].split(":"):
        if re.search(r"3\.(9|10|11|12)$", path):
            return path
    raise unittest.SkipTest("no Python from 3.9 to 3.12 is present")


class ThreeExtensions(unittest.TestCase):
    def run_demo(self, python: str, **environment: str) -> None:
        done = subprocess.run(
            [os.environ["PYISOLATE_TEST_DEMO"], "--python", python],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=500,
        )
        seen, pids = {}, set()
        for line in done.stdout.splitlines():
            match = LINE.match(line)
            self.assertIsNotNone(match, f"{line}\n{done.stderr}")
            self.assertEqual(match["verdict"], "PASSED")
            seen[match["name"]] = (match["did"], match["numpy"])
            pids.add(match["pid"])
        self.assertEqual(seen, EXPECTED, done.stderr)
        self.assertEqual(len(pids), 3)
        self.assertEqual(done.returncode, 0)

    def test_output(self):
        self.run_demo(python_with_wheels())

    def test_the_callers_own_numpy_is_never_seen(self):
        """Neither by PYTHONPATH nor in the interpreter's own site-packages: one that nobody has."""
        python = python_with_wheels()
        with tempfile.TemporaryDirectory() as folder:
            trap = pathlib.Path(folder) / "path" / "numpy"
            trap.mkdir(parents=True)
            (trap / "__init__.py").write_text(
                '__version__ = "0.0"\nraise SystemExit("the host\'s")\n'
            )
            venv = pathlib.Path(folder) / "venv"
            subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
            (site,) = venv.glob("lib/python3.*/site-packages")
            trap.rename(site / "numpy")
            self.run_demo(str(venv / "bin" / "python"), PYTHONPATH=str(site))

    def test_failure_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [os.environ["PYISOLATE_TEST_DEMO"], folder],
                capture_output=True,
                text=True,
                timeout=60,
            )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(re.findall(r"^(\S+) +FAILED  ", done.stdout, re.MULTILINE), list(EXPECTED))
