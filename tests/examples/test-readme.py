# SPDX-License-Identifier: MIT
"""The README is true: its examples are the files in examples/, short, and they run."""

import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
HELLO = SOURCE / "examples" / "hello"


def code_blocks() -> list:
    text = (SOURCE / "README.md").read_text()
    return re.findall(r"^```[a-z]+[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Readme(unittest.TestCase):
    def check_example(self, name: str, most_lines: int):
        content = (HELLO / name).read_text()
        self.assertIn(content, code_blocks())
        self.assertLess(len(content.splitlines()), most_lines)

    def test_host(self):
        self.check_example("hello.c", 40)

    def test_extension(self):
        self.check_example("greeter/__init__.py", 10)

    def test_they_run(self):
        answer = subprocess.run(
            [os.environ["PYISOLATE_TEST_HELLO"], HELLO / "greeter", "reader"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(answer.stderr, "")
        self.assertRegex(answer.stdout, r"^Hello reader, from Python 3\.\d+\.\d+\S*\n$")
        self.assertEqual(answer.returncode, 0)

    def test_the_pages_that_are_named_exist(self):
        for page in [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
                with self.subTest(page=page.name, target=target):
                    self.assertTrue((page.parent / target).exists())

    def test_all_pages_are_in_the_reference(self):
        listed = set(re.findall(r"'([\w-]+\.md)'", (SOURCE / "docs" / "meson.build").read_text()))
        self.assertEqual(listed, {page.name for page in (SOURCE / "docs").glob("*.md")})
