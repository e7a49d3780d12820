# SPDX-License-Identifier: MIT
"""The README's lines for hosts in Python: each is run, and then the sample program.

A wheel is built in one folder, one after the other; all else is done for two interpreters at once.
"""

import concurrent.futures
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
DEBIAN = "/usr/bin/python3"
PYTHONS = {
    re.search(r"(3\.\d+)$", path)[1]: path
    for path in os.environ["PYISOLATE_TEST_PYTHONS"].split(":")
}
# For which PyGObject 3.50 is made; it is built for each, which takes most of the time. Between the
# oldest, the newest and the system's, the others are for the slow suite.
OFTEN = {"3.9", "3.11", "3.13"}
SLOW = os.environ.get("PYISOLATE_TEST_SLOW") == "1"
PYTHONS = {
    version: path
    for version, path in PYTHONS.items()
    if int(version[2:]) <= 13 and (SLOW or version in OFTEN)
}
# What the README says for its users: an interpreter, a place for all users, becoming root.
EXAMPLE, PREFIX, ROOT = "python3.12", "/usr/local", "sudo "
FOREIGN = ("PYISOLATE_", "GI_", "LD_LIBRARY_PATH", "PKG_CONFIG", "PYTHON", "VIRTUAL_ENV")
# The version that the tests of tensors have, in the build without CUDA.
TORCH = "torch==2.13.0"
OTHER = "pyisolate==0.10.2"
NAMES = """
import pyisolate
print(*pyisolate.__all__)
for config in (pyisolate.ExtensionConfig, pyisolate.ExtensionManagerConfig):
    print(*config.__annotations__)
print(*(name for name in dir(pyisolate.ExtensionBase) if name[0] != "_"))
"""


def fences():
    """The README's section on installing, as commands by the heading comment of each fence."""
    text = (SOURCE / "README.md").read_text()
    section = re.search(r"^## Install\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)[1]
    found = {}
    for fence in re.findall(r"^```sh[^\n]*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        title = None
        for line in fence.splitlines():
            if line.startswith("# "):
                title = line[2:]
                found[title] = []
            else:
                found[title].append(line)
    return {title: "\n".join(lines) for title, lines in found.items()}


# Nothing that builds or serves is newer than what this was tried with.
CONSTRAINTS = """
meson-python<=0.22.1
meson<=1.12.1
ninja<=1.13.2
packaging<=26.4
pycairo<=1.29.2
uv<=0.13.9
"""


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    return {**kept, **more}


class Place:
    """A folder with a link to the sources, in which a user follows the README."""

    build_lock = threading.Lock()
    numbers = itertools.count()

    def __init__(self, root, name):
        self.folder = root / name
        self.folder.mkdir()
        self.build = root / "wheel"
        self.constraints = root / "constraints.txt"

    def run(self, command, **environment):
        begun = time.monotonic()
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=SOURCE,
            env=clean_environment(
                PIP_CONSTRAINT=str(self.constraints),
                PIP_BUILD_CONSTRAINT=str(self.constraints),
                **environment,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        if done.returncode:
            raise AssertionError(f"{command}\n{done.stdout}")
        # What was slow: most of it waits for a package index.
        if (seconds := time.monotonic() - begun) > 20:
            print(f"# {seconds:.0f} s: {command.splitlines()[0]}", flush=True)
        return done.stdout

    def run_with_build(self, command):
        with self.build_lock:
            self.run(command, PIP_CONFIG_SETTINGS=f"build-dir={self.build}")

    def follow(self, commands, python=DEBIAN):
        """The lines as they are written, but for another interpreter and elsewhere."""
        venv = self.folder / "venv"
        for line in commands.splitlines():
            line = re.sub(rf"^({EXAMPLE}|python3)(?= )", python, line)
            line = re.sub(r"(?<![-\w])venv(?=/|$)", str(venv), line)
            line = line.replace(PREFIX, str(self.folder / "prefix")).replace(ROOT, "")
            line = re.sub(r"(?<=[ ])build\b", str(self.folder / "build"), line)
            if line.startswith("meson setup"):
                # What is not for hosts has tests of its own.
                line += " -Dtests=disabled -Dexamples=disabled -Dvapi=disabled"
            if line.endswith(" install ."):
                # What it needs is not built while another waits for the build folder.
                self.run(f'{venv}/bin/pip install -q "PyGObject>=3.42,<3.51"')
                self.run_with_build(line)
            else:
                self.run(line)
        return venv / "bin"

    def uv_install(self, bin_directory, requirement, options=""):
        """With the uv that came along: a user's pip would do, and takes longer."""
        links = os.environ.get("PIP_FIND_LINKS", "").split()
        options += "".join(f" --find-links {link}" for link in links)
        self.run(
            f"{bin_directory}/uv pip install -q --python {bin_directory}/python {options} "
            f"'{requirement}'"
        )

    def run_sample(self, python, before="", **environment):
        """The sample program, with these lines in front of it."""
        program = self.folder / f"program-{next(self.numbers)}"
        shutil.copytree(SOURCE / "examples" / "python-host", program)
        # Made once for all runs here.
        venvs = self.folder / "venvs"
        venvs.mkdir(exist_ok=True)
        (program / "venvs").symlink_to(venvs)
        main = program / "main.py"
        main.write_text(before + main.read_text())
        done = subprocess.run(
            [python, "main.py"],
            cwd=program,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            timeout=600,
        )
        return done.stdout, done.stderr, done.returncode


EXPECTED = ("Mean: 3.0 {'mean': 3.0}\n", "", 0)


class Pip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-pip-")
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        (cls.root / "constraints.txt").write_text(CONSTRAINTS)
        cls.lines = fences()
        pool = concurrent.futures.ThreadPoolExecutor(2)
        cls.addClassCleanup(pool.shutdown, cancel_futures=True)
        line = cls.lines["any Python from 3.9 to 3.13"]
        cls.venvs = {
            version: pool.submit(cls.make_venv, version, line, path)
            for version, path in PYTHONS.items()
        }
        line = cls.lines["Debian's python3, in a venv"]
        cls.debian = pool.submit(cls.make_venv, "debian", line)

    @classmethod
    def make_venv(cls, name, lines, python=DEBIAN):
        place = Place(cls.root, name)
        return place, place.follow(lines, python)

    def check_venv(self, version):
        if version not in self.venvs:
            self.skipTest(f"Python {version} is not present")
        place, bin_directory = self.venvs[version].result()
        self.assertEqual(EXPECTED, place.run_sample(bin_directory / "python"))
        return place, bin_directory

    def check_venv_with_numpy(self, version, numpy="1.26.4"):
        """The host's own is of its choice; the extension asks for numpy>=2, and gets the newest."""
        place, bin_directory = self.check_venv(version)
        place.uv_install(bin_directory, f"numpy=={numpy}")
        check = f"import numpy\nassert numpy.__version__ == {numpy!r}\n"
        self.assertEqual(EXPECTED, place.run_sample(bin_directory / "python", check))
        return place, bin_directory

    def test_python_3_9(self):
        """The oldest one: with the application with nodes, too."""
        place, bin_directory = self.check_venv_with_numpy("3.9")
        place.uv_install(bin_directory, "tomli")
        output = place.run(
            f"{bin_directory}/python examples/hello-node/main.py --venv-root {place.folder}/venvs"
        )
        self.assertIn("Hello World!!!", output)
        self.assertIn("the node made one of (200, 320, 3)", output)

    if SLOW:

        def test_python_3_10(self):
            self.check_venv_with_numpy("3.10")

        def test_python_3_12(self):
            self.check_venv_with_numpy("3.12")

    def test_python_3_11(self):
        """With a torch of the host's, too."""
        place, bin_directory = self.check_venv_with_numpy("3.11")
        place.uv_install(bin_directory, TORCH)
        check = "import torch\nassert torch.arange(6).sum() == 15\n"
        self.assertEqual(EXPECTED, place.run_sample(bin_directory / "python", check))

    def test_python_3_13(self):
        self.check_venv_with_numpy("3.13", "2.1.0")

    def test_debian_in_a_venv(self):
        place, bin_directory = self.debian.result()
        self.assertEqual(EXPECTED, place.run_sample(bin_directory / "python"))
        # It is the system's own.
        where = place.run(f"{bin_directory}/python -c 'import gi; print(gi.__file__)'")
        self.assertTrue(where.startswith("/usr/lib/python3/"), where)

    def test_debian_for_all_users(self):
        place = Place(self.root, "all")
        place.follow(self.lines["Debian's python3, for all users"])
        shutil.rmtree(place.folder / "build")
        # Debian's Python looks there by itself if the prefix is /usr/local.
        (packages,) = (place.folder / "prefix").glob("lib/python3*/dist-packages")
        self.assertEqual(EXPECTED, place.run_sample(DEBIAN, PYTHONPATH=str(packages)))

    def test_the_program(self):
        """It finds its parts and its uv from wherever the environment is."""
        _, bin_directory = self.debian.result()
        done = subprocess.run(
            [
                bin_directory / "pyisolate",
                "call",
                SOURCE / "examples/hello/greeter",
                "greet",
                '"x"',
            ],
            env=clean_environment(PATH="/usr/bin:/bin"),
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertRegex(done.stdout, r'^"Hello x, from Python 3', done.stderr)

    def check_page(self, names):
        """Each public name and key of the other is in the page for those who come from there."""
        self.assertGreater(len(names), 20)
        page = (SOURCE / "docs" / "migrating.md").read_text()
        explained = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", page))))
        self.assertEqual(set(), set(names) - explained)

    def test_beside_the_python_pyisolate(self):
        """Both are imported as `pyisolate`: the one that was installed last is there."""
        place, bin_directory = self.debian.result()
        python = bin_directory / "python"
        wheels = place.folder / "wheels"
        place.run_with_build(f"{bin_directory}/pip wheel -q --no-deps -w {wheels} .")
        (wheel,) = wheels.glob("pyisolate_glib-*-abi3-linux_*.whl")
        ask = f"{python} -W ignore -c 'import pyisolate; print(pyisolate.__version__)'"
        place.uv_install(bin_directory, OTHER)
        self.assertEqual(OTHER.partition("==")[2], place.run(ask).strip())
        self.check_page(place.run(f"{python} -c '{NAMES}'").split())
        place.uv_install(bin_directory, wheel, "--no-deps --reinstall-package pyisolate-glib")
        output, errors, code = place.run_sample(python)
        self.assertEqual((EXPECTED[0], 0), (output, code), errors)
        self.assertIn("RuntimeWarning: The Python pyisolate from PyPI", errors)
        # The one takes what it shares with the other along.
        place.run(f"{bin_directory}/pip uninstall -q -y pyisolate")
        self.assertNotEqual(0, place.run_sample(python)[2])
        place.run(f"{bin_directory}/pip uninstall -q -y pyisolate-glib")
        place.uv_install(bin_directory, wheel, "--no-deps")
        self.assertEqual(EXPECTED, place.run_sample(python))


if __name__ == "__main__":
    unittest.main()
