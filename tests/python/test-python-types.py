# SPDX-License-Identifier: MIT
"""The type stubs: what they say of a program, and that they are true, by mypy from PyPI."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
PROGRAM = pathlib.Path(__file__).with_name("typed_host.py")
# No later ones than those that the stubs were tried with.
MYPY = ["mypy>=1.15,<=2.4.1", "typing_extensions<=4.16.0"]
# How they are made is the library's own business.
NOT_PUBLIC = r"""
pyisolate\.Extension\.__init__
pyisolate\.MethodInfo\.(__init__|of_dict|of_object)
"""


class Types(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-types-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.python = cls.folder / "venv" / "bin" / "python"
        # With the PyGObject of this interpreter.
        cls.check("uv", "venv", "-q", "--python", sys.executable, "--system-site-packages", "venv")
        cls.check("uv", "pip", "install", "-q", "--python", cls.python, *MYPY)
        # The stubs alone: the code has no types of its own.
        cls.stubs = cls.folder / "stubs"
        package = cls.stubs / "pyisolate"
        package.mkdir(parents=True)
        for stub in (SOURCE / "introspection" / "python" / "pyisolate").glob("*.pyi"):
            (package / stub.name).write_text(stub.read_text())
        (package / "py.typed").touch()

    @classmethod
    def run_command(cls, *command):
        environment = {**os.environ}
        if hasattr(cls, "stubs"):
            environment["MYPYPATH"] = str(cls.stubs)
        return subprocess.run(
            command, cwd=cls.folder, env=environment, capture_output=True, text=True, timeout=500
        )

    @classmethod
    def check(cls, *command):
        done = cls.run_command(*command)
        if done.returncode:
            raise AssertionError(f"{command}\n{done.stdout}\n{done.stderr}")

    def test_a_typed_program(self):
        expected = [
            (number, match[1])
            for number, line in enumerate(PROGRAM.read_text().splitlines(), 1)
            for match in [re.search(r"# expect: ([\w-]+)$", line)]
            if match
        ]
        self.assertGreater(len(expected), 3)
        done = self.run_command(self.python, "-m", "mypy", "--strict", PROGRAM)
        found = re.findall(r":(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
        self.assertEqual(
            expected, [(int(number), code) for number, code in found], done.stdout + done.stderr
        )

    def test_they_are_true(self):
        """Every name, parameter and default is compared with the package."""
        allowed = self.folder / "allowed"
        allowed.write_text(NOT_PUBLIC)
        self.check(
            self.python, "-m", "mypy.stubtest", "pyisolate", "--concise", "--allowlist", allowed
        )


if __name__ == "__main__":
    unittest.main()
