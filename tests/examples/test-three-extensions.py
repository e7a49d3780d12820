# SPDX-License-Identifier: MIT
"""The demo, with its host in C or in Python: real packages from PyPI, whatever numpy is here."""

import os
import pathlib
import re
import subprocess
import sys
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
DEMO = os.environ["PYISOLATE_TEST_DEMO"]
COMMAND = [sys.executable, DEMO] if DEMO.endswith(".py") else [DEMO]
IN_C = os.environ.get("PYISOLATE_TEST_DEMO_IN_C")


def python_with_wheels() -> str:
    """An interpreter for which numpy 1.26 has wheels."""
    for path in os.environ["PYISOLATE_TEST_PYTHONS"].split(":"):
        if re.search(r"3\.(9|10|11|12)$", path):
            return path
    raise unittest.SkipTest("no Python from 3.9 to 3.12 is present")


class ThreeExtensions(unittest.TestCase):
    def run_demo(self, python: str, command=COMMAND, **environment: str) -> str:
        done = subprocess.run(
            [*command, "--python", python],
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
        return done.stdout

    def test_output(self):
        output = self.run_demo(python_with_wheels())
        if IN_C is not None:
            in_c = self.run_demo(python_with_wheels(), [IN_C])
            pid = re.compile(r"pid \d+")
            self.assertEqual(pid.sub("", output), pid.sub("", in_c))

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
            path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
            self.run_demo(str(venv / "bin" / "python"), PYTHONPATH=path)

    def test_failure_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [*COMMAND, folder],
                capture_output=True,
                text=True,
                timeout=300,
            )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(re.findall(r"^(\S+) +FAILED  ", done.stdout, re.MULTILINE), list(EXPECTED))
