# SPDX-License-Identifier: MIT
"""quickstart.sh where something is missing: told so by a PATH that has little."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"]) / "quickstart.sh"
HARMLESS = ("bash", "cat", "dirname", "env", "sed")


class Quickstart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-quickstart-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        for name in HARMLESS:
            (self.programs / name).symlink_to(shutil.which(name))
        # A copy, so that a mistake here cannot touch the real build folder.
        shutil.copy(SCRIPT, self.folder)

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
        path.chmod(0o755)

    def run_script(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.programs / "bash", self.folder / SCRIPT.name, *arguments],
            env={"PATH": str(self.programs), "HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def test_without_apt_it_names_what_is_missing(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        for package in ("build-essential", "meson", "libglib2.0-dev", "libjson-glib-dev"):
            self.assertIn(package, done.stderr)
        self.assertNotIn("gjs", done.stderr)
        self.assertFalse((self.folder / "build").exists())

    def test_tests_need_more(self):
        done = self.run_script("test")
        for package in ("meson", "gjs", "valac", "gi-docgen"):
            self.assertIn(package, done.stderr)
        self.assertNotIn("valgrind", done.stderr)
        done = self.run_script("test", "--all")
        self.assertIn("valgrind", done.stderr)

    def test_without_rights_it_prints_the_command(self):
        self.program("id", "echo 1000")
        self.program("sudo", "exit 1")
        self.program("apt-get", f"touch {self.folder}/apt-was-run")
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr, r"(?m)^  sudo apt-get update && sudo apt-get install -y .*\bmeson\b"
        )
        self.assertFalse((self.folder / "apt-was-run").exists())

    def test_without_sudo_it_prints_what_root_must_do(self):
        self.program("id", "echo 1000")
        self.program("apt-get", f"touch {self.folder}/apt-was-run")
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"(?m)^  apt-get update && apt-get install -y .*\bmeson\b")
        self.assertNotIn("sudo", done.stderr)
        self.assertFalse((self.folder / "apt-was-run").exists())

    def test_with_rights_it_installs_each_once(self):
        log = self.folder / "apt"
        for user, prefix in (("0", ""), ("1000", "sudo ")):
            with self.subTest(user):
                log.unlink(missing_ok=True)
                self.program("id", f"echo {user}")
                # It is always called with -n: never ask.
                self.program("sudo", 'test "$1" = -n && shift && PREFIX="sudo " "$@"')
                self.program("true", "exit 0")
                self.program("apt-get", f'echo "${{PREFIX-}}apt-get $*" >>{log}')
                self.run_script("test")
                update, install = log.read_text().splitlines()
                self.assertTrue(update.startswith(f"{prefix}apt-get update"))
                self.assertTrue(install.startswith(f"{prefix}apt-get install -y"))
                words = install.split()
                self.assertEqual(words.count("libglib2.0-dev"), 1)
                self.assertLessEqual(words.count("python3-venv"), 1)

    def test_unknown_arguments(self):
        for arguments in (["tests"], ["test", "--everything"], ["test", "--all", "more"]):
            with self.subTest(arguments):
                done = self.run_script(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn("./quickstart.sh test --all", done.stderr)
        done = self.run_script("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("./quickstart.sh test --all", done.stdout)
