# SPDX-License-Identifier: MIT
"""The application with nodes: its own pack, packs that are wrong, and its main module."""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
APPLICATION = SOURCE / "examples" / "hello-node"
PROJECT = """
[project]
name = "{name}"
version = "2"
[tool.hello-node]
{tool}
"""


def read_png(path):
    """Size and bytes of one that is made as the example's are: no filters, one block of data."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    (length,) = struct.unpack(">I", data[33:37])
    raw = zlib.decompress(data[41 : 41 + length])
    line = 3 * width + 1
    rows = [raw[y * line + 1 : (y + 1) * line] for y in range(height)]
    return (width, height), b"".join(rows)


class HelloNode(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-node-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.application = self.folder / "application"
        shutil.copytree(APPLICATION, self.application)

    def run_application(self, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, self.application / "main.py", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=500,
        )
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def write_pack(self, name, code, tool=""):
        pack = self.folder / "packs" / name
        pack.mkdir(parents=True)
        (pack / "pyproject.toml").write_text(PROJECT.format(name=name, tool=tool))
        (pack / "__init__.py").write_text(code)

    def test_output(self):
        output = self.run_application("somebody")
        match = re.fullmatch(
            r"""Greetings 1\.0, in process (\d+)
  text/greetings / Greet somebody \(Greeting\) -> STRING
    name: STRING = 'world'
    model: one of formal, friendly
    excitement: INT = 1
  text / Signature \(Signature\) -> STRING
    text: STRING
Pictures 1\.0, in process (\d+)
  image / Edges \(Edges\) -> IMAGE
    image: IMAGE
    strength: FLOAT = 4\.0
Hello Somebody!!! Nice to see you here\. \(jinja2 3\.\d+\.\d+, process (\d+)\)
Of a picture of \(200, 320, 3\) the node made one of \(200, 320, 3\)
The model manager was asked for \{'friendly': 1\}
""",
            output,
        )
        self.assertIsNotNone(match, output)
        self.assertEqual(match[1], match[3])
        self.assertNotEqual(match[1], match[2])

    def test_the_picture_is_that_of_the_docs(self):
        """Versions of NumPy may round otherwise, so a colour may be off by one."""
        self.run_application("--picture", self.folder / "new.png")
        new, shown = (
            read_png(path) for path in (self.folder / "new.png", SOURCE / "docs" / "hello-node.png")
        )
        self.assertEqual(new[0], shown[0])
        self.assertLessEqual(max(abs(a - b) for a, b in zip(new[1], shown[1])), 1)
        # It is no blank page: ink beside the picture, and paper.
        right = [new[1][(y * 640 + x) * 3] for y in range(200) for x in range(320, 640)]
        self.assertLess(min(right), 60)
        self.assertGreater(sum(value > 240 for value in right) / len(right), 0.9)

    def test_main_prepares_nothing(self):
        """Imported, it does nothing; run, it is executed once, in the host only."""
        main = self.application / "main.py"
        log = self.folder / "log"
        text = main.read_text()
        main.write_text(f"import os\nprint(os.getpid(), file=open({str(log)!r}, 'a'))\n" + text)
        code = "import sys, main; print(sorted({'host', 'pyisolate', 'gi'} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.application,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.stdout, "[]\n", done.stderr)
        log.unlink()
        self.run_application()
        self.assertEqual(len(log.read_text().splitlines()), 1)

    def test_packs_that_are_wrong_do_not_disturb_the_others(self):
        self.write_pack("raises", "raise OSError('no weights')")
        self.write_pack("unknown-api", "", 'apis = ["Database"]')
        self.write_pack("unknown-key", "", 'colour = "red"')
        self.write_pack("nothing", "")
        shutil.copytree(
            self.application / "custom_nodes" / "greetings", self.folder / "packs" / "g"
        )
        (self.folder / "packs" / "torn").mkdir()
        (self.folder / "packs" / "torn" / "pyproject.toml").write_text("[project")
        output = self.run_application("--custom-nodes", self.folder / "packs", code=1)
        self.assertIn("Hello World!!!", output)
        failed = dict(re.findall(r"^(\S+) FAILED: (.*)", output, re.MULTILINE))
        self.assertEqual(set(failed), {"raises", "unknown-api", "unknown-key", "nothing", "torn"})
        self.assertIn("no weights", failed["raises"])
        self.assertIn("'Database'", failed["unknown-api"])
        self.assertIn("'colour'", failed["unknown-key"])
        self.assertIn("NODE_CLASS_MAPPINGS", failed["nothing"])
        self.assertIn("pyproject.toml", failed["torn"])

    def test_inputs_are_checked_in_the_host(self):
        (self.application / "main.py").write_text(
            """
import asyncio
import pathlib
import pyisolate
import nodes

async def main():
    async with pyisolate.ExtensionManager(pyisolate.ExtensionBase) as manager:
        packs, failed = await nodes.load_packs(manager, pathlib.Path("application/custom_nodes"))
        greeting = packs["greetings"].nodes["Greeting"]
        print((await greeting.run())[0])
        for inputs in ({"mood": "good"}, {"model": "rude"}):
            try:
                await greeting.run(**inputs)
            except ValueError as error:
                print(error)
        try:
            await packs["greetings"].nodes["Signature"].run()
        except ValueError as error:
            print(error)

asyncio.run(main())
"""
        )
        self.assertEqual(
            self.run_application(),
            """Good day, world. It is a pleasure to make your acquaintance.
Greeting has no input 'mood'; there are name, model, excitement
'model' of Greeting is one of ['formal', 'friendly'], not 'rude'
Signature needs the input 'text'
""",
        )


if __name__ == "__main__":
    unittest.main()
