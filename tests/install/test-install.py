# SPDX-License-Identifier: MIT
"""`meson install` into a prefix of its own, and use as a subproject: a host is built with each."""

import os
import pathlib
import shlex
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
HELLO = SOURCE / "examples" / "hello"
SUBPROJECT_USER = """
project('user', 'c')
pyisolate = dependency('pyisolate-glib-1', fallback: 'pyisolate-glib')
executable('hello', 'hello.c', dependencies: pyisolate)
"""
TYPELIB = """
import gi
gi.require_version("PyIsolate", "1")
from gi.repository import PyIsolate
print(PyIsolate.ExtensionState.RUNNING.value_nick)
"""
# What says where the parts of the build folder are must not help an installed program.
FOREIGN = ("PYISOLATE_", "GI_", "LD_LIBRARY_PATH", "PKG_CONFIG")


def clean_environment(**more: str) -> dict:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    return {**kept, **more}


def run(*command, **arguments) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **arguments
    )
    if done.returncode:
        raise AssertionError(f"{shlex.join(done.args)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-install-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def check_hello(self, program: pathlib.Path, environment: dict) -> None:
        output = run(program, HELLO / "greeter", "prefix", env=environment, timeout=300)
        self.assertRegex(output, r"^Hello prefix, from Python 3\.")


class Install(Folder):
    def test_prefix(self):
        prefix = self.folder / "prefix"
        build = self.folder / "build"
        environment = clean_environment()
        options = [f"-D{name}=disabled" for name in ("tests", "examples", "docs")]
        options += ["--libdir", "lib", "--prefix", prefix]
        run("meson", "setup", build, SOURCE, *options, env=environment)
        run("meson", "install", "-C", build, env=environment)

        environment = clean_environment(
            PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"),
            LD_LIBRARY_PATH=str(prefix / "lib"),
            GI_TYPELIB_PATH=str(prefix / "lib" / "girepository-1.0"),
        )
        flags = run("pkg-config", "--cflags", "--libs", "pyisolate-glib-1", env=environment).split()
        program = self.folder / "hello"
        command = ["cc", "-Wall", "-Werror", HELLO / "hello.c", "-o", program]
        run(*command, *flags, env=environment)
        # Nothing that runs may need the folder it was built in.
        build.rename(self.folder / "moved")
        self.check_hello(program, environment)
        output = run(
            prefix / "bin" / "pyisolate", "call", HELLO / "greeter", "greet", '"shell"',
            env=environment, timeout=300,
        )  # fmt: skip
        self.assertRegex(output, r'^"Hello shell, from Python 3\.')
        self.assertEqual(run("/usr/bin/python3", "-c", TYPELIB, env=environment), "running\n")

    def test_no_path_of_the_build_is_installed(self):
        stage = self.folder / "stage"
        run(
            "meson",
            "install",
            "-C",
            os.environ["PYISOLATE_TEST_BUILD"],
            "--no-rebuild",
            "--destdir",
            stage,
        )
        files = [path for path in stage.rglob("*") if path.is_file()]
        names = {path.name for path in files}
        self.assertLessEqual({"pyisolate", "pyisolate-launcher", "pyisolate-glib.h"}, names)
        # Debug information names source files; that is not what a program reads.
        for path in files:
            if path.suffix in {".pc", ".h", ".py", ".gir", ".vapi"}:
                with self.subTest(path.name):
                    self.assertNotIn(os.environ["PYISOLATE_TEST_BUILD"], path.read_text())


class Devenv(Folder):
    def test_everything_runs_from_the_build_folder(self):
        devenv = ("meson", "devenv", "-C", os.environ["PYISOLATE_TEST_BUILD"])
        environment = clean_environment()
        output = run(
            *devenv, "pyisolate", "call", HELLO / "greeter", "greet", '"devenv"',
            env=environment, timeout=300,
        )  # fmt: skip
        self.assertRegex(output, r'^"Hello devenv, from Python 3\.')
        self.assertEqual(
            run(*devenv, "/usr/bin/python3", "-c", TYPELIB, env=environment), "running\n"
        )


class Subproject(Folder):
    def test_fallback(self):
        user = self.folder / "user"
        (user / "subprojects").mkdir(parents=True)
        (user / "subprojects" / "pyisolate-glib").symlink_to(SOURCE)
        (user / "meson.build").write_text(SUBPROJECT_USER)
        (user / "hello.c").write_text((HELLO / "hello.c").read_text())
        environment = clean_environment()
        build = self.folder / "build"
        quick = [f"-Dpyisolate-glib:{part}=disabled" for part in ("introspection", "vapi")]
        run("meson", "setup", build, user, *quick, env=environment)
        run("ninja", "-C", build, env=environment)
        parts = build / "subprojects" / "pyisolate-glib" / "pyisolate-glib"
        self.check_hello(
            build / "hello",
            clean_environment(
                PYISOLATE_RUNTIME_DIR=str(parts),
                PYISOLATE_LAUNCHER=str(parts / "launcher" / "pyisolate-launcher"),
            ),
        )
