# SPDX-License-Identifier: MIT
"""Hosts in a venv with PyGObject from PyPI, of the oldest and the newest Python that there is."""

import os
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
REQUIREMENT = "PyGObject==3.50.2"
# All that depends on Python's version with the oldest, what depends on PyGObject's with both.
LOCAL = ("local", "local-life", "local-readonly", "local-singletons")
MANAGER = ("manager", "discovery", "progress")
OLDEST = ("loops", "calls", "exceptions", "singletons", "tasks", "names", *LOCAL, *MANAGER)
NEWEST = ("loops", "calls", "tasks", *LOCAL)
# What builds it; none that is newer than what this was tried with.
BUILDERS = ("meson-python<=0.22.1", "meson<=1.12.1", "ninja<=1.13.2", "packaging<=26.4")
# Without cairo, which hosts do not need.
OPTIONS = [
    "--no-build-isolation",
    "--no-deps",
    "--config-settings=setup-args=-Dpycairo=disabled",
]


PYTHONS = os.environ["PYISOLATE_TEST_PYTHONS"].split(":")


class Venv(unittest.TestCase):
    def test_oldest(self):
        self.check(PYTHONS[0], OLDEST)

    def test_newest(self):
        self.check(PYTHONS[-1], NEWEST)

    def run_quietly(self, *command, **options):
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    def check(self, interpreter, tests):
        with tempfile.TemporaryDirectory(prefix="pyisolate-venv-") as folder:
            folder = pathlib.Path(folder)
            self.run_quietly(interpreter, "-m", "venv", folder)
            python = folder / "bin" / "python"
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            self.run_quietly(*pip, *BUILDERS)
            path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
            self.run_quietly(*pip, *OPTIONS, REQUIREMENT, env={**os.environ, "PATH": path})
            for name in tests:
                with self.subTest(python=interpreter, test=name):
                    out = self.run_quietly(
                        python,
                        HERE.parent / "util" / "tap.py",
                        HERE / f"test-python-{name}.py",
                        env={**os.environ, "PYISOLATE_TEST_ONLINE": "1"},
                    )
                    if name == "loops":
                        self.assertIn(" OwnLoop.test_beside_it\n", out)


if __name__ == "__main__":
    unittest.main()
