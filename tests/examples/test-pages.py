# SPDX-License-Identifier: MIT
"""Every snippet in the README and in docs/ is run, as page_snippets.py says how."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import page_snippets

SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
BUILD = pathlib.Path(os.environ["PYISOLATE_TEST_BUILD"])
PAGES = [
    SOURCE / "README.md",
    *sorted(SOURCE.glob("docs/*.md")),
    *sorted(SOURCE.glob("examples/*/README.md")),
]
# So many snippets may be marked as not run, in all pages together.
MOST_NOT_RUN = 3


class Page:
    """A folder in which the snippets of a page are run, one after the other."""

    def __init__(self, folder):
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        # The interpreter that has gi, and the program from the build folder.
        (programs / "python3").symlink_to(sys.executable)
        (programs / "pyisolate").symlink_to(BUILD / "pyisolate-glib" / "cli" / "pyisolate")
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "examples").symlink_to(SOURCE / "examples")
        (self.work / "build").symlink_to(BUILD)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PKG_CONFIG_PATH": str(BUILD / "meson-uninstalled"),
            # What extensions keep is of the page only.
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def install(self, requirement):
        """From PyPI, beside what the system's interpreter has."""
        venv = self.folder / "venv"
        self.run("uv", "venv", "-q", "--python", sys.executable, "--system-site-packages", venv)
        self.run("uv", "pip", "install", "-q", "--python", venv / "bin" / "python3", requirement)
        link = self.folder / "bin" / "python3"
        link.unlink()
        # A link to it would be the system's interpreter again.
        link.write_text(f'#!/bin/sh\nexec "{venv}/bin/python3" "$@"\n')
        link.chmod(0o755)

    def run(self, *command):
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
        if done.returncode:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def do_sh(self, snippet):
        return self.run("bash", "-euc", snippet.code)

    def do_python(self, snippet):
        program = self.work / "snippet.py"
        program.write_text(snippet.code)
        return self.run("python3", program)

    def do_c(self, snippet):
        code = snippet.code
        if "pyisolate-glib.h" not in code:
            code = "#include <pyisolate-glib.h>\n" + code
        source = self.work / "snippet.c"
        source.write_text(code)
        flags = self.run("pkg-config", "--cflags", "--libs", "pyisolate-glib-1").split()
        warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-function")
        if "main (" not in code:
            return self.run("cc", *warnings, "-fsyntax-only", source, *flags)
        self.run("cc", *warnings, source, "-o", self.work / "snippet", *flags)
        return self.run(self.work / "snippet")

    def do_file(self, snippet):
        path = self.work / snippet.value
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet.code)


def public_names():
    """What headers declare, and the names of a worker's and a host's `pyisolate`."""
    headers = "".join(
        path.read_text()
        for folder in (SOURCE, BUILD)
        for path in (folder / "pyisolate-glib").rglob("*.h")
        if not path.name.endswith("-private.h")
    )
    package = SOURCE / "pyisolate-glib" / "worker" / "python" / "pyisolate" / "__init__.py"
    return set(re.findall(r"\w+", headers)), set(re.findall(r"\w+", package.read_text()))


def members_of(text):
    root = xml.etree.ElementTree.fromstring(text)
    interface = root if root.tag == "interface" else root.find("interface")
    return {
        (member.tag, member.get("name")): [
            (arg.get("name"), arg.get("type"), arg.get("direction", "in"))
            for arg in member.findall("arg")
        ]
        for member in interface
        if member.tag in ("method", "signal")
    }


class Pages(unittest.TestCase):
    maxDiff = None

    def check_page(self, path):
        snippets = page_snippets.read(path)
        self.assertEqual([], page_snippets.used_by_none(snippets))
        output = None
        with tempfile.TemporaryDirectory(prefix="pyisolate-page-") as folder:
            page = Page(pathlib.Path(folder))
            if any("-m pytest" in snippet.code for snippet in snippets):
                page.install("pytest>=8,<=9.2.0")
            for snippet in snippets:
                if snippet.kind == "output":
                    self.assertIsNotNone(output, f"{snippet.where}: nothing was run before it")
                    self.assertTrue(
                        page_snippets.matches(snippet.code, output),
                        f"{snippet.where}: not this, but\n{output}",
                    )
                    output = None
                else:
                    try:
                        output = self.do(page, snippet)
                    except AssertionError as error:
                        self.fail(f"{snippet.where}: {error}")

    def do(self, page, snippet):
        if snippet.kind == "run":
            if snippet.language:
                return getattr(page, f"do_{snippet.language}")(snippet)
        elif snippet.kind == "file":
            page.do_file(snippet)
        elif snippet.kind == "excerpt":
            text = (SOURCE / snippet.value).read_text()
            self.assertIn(snippet.code, text, f"{snippet.where}: {snippet.value} is another now")
        elif snippet.kind == "tested-by":
            self.assertTrue((SOURCE / snippet.value).is_file(), snippet.where)
        elif snippet.kind == "sketch":
            getattr(self, f"check_{snippet.language}_sketch")(snippet)
        else:
            self.assertEqual("not-run", snippet.kind)
            self.assertGreater(len(snippet.value.split()), 2, f"{snippet.where}: why?")

    def check_c_sketch(self, snippet):
        known, _ = public_names()
        name = r"\b(?:pyisolate_\w+[a-z]|PyIsolate\w+|PYISOLATE_\w+[A-Z])\b"
        used = set(re.findall(name, snippet.code))
        self.assertGreater(len(used), 10)
        self.assertEqual(set(), used - known, snippet.where)

    def check_python_sketch(self, snippet):
        _, known = public_names()
        used = {
            node.name
            for node in ast.walk(ast.parse(snippet.code))
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        }
        self.assertGreater(len(used), 5)
        self.assertEqual(set(), used - known, snippet.where)

    def check_xml_sketch(self, snippet):
        """The same members, with the same arguments, as in the file that is compiled."""
        file = SOURCE / "pyisolate-glib" / "link" / "org.pyisolate.Link1.xml"
        self.assertEqual(members_of(file.read_text()), members_of(snippet.code))

    def test_few_are_not_run(self):
        marked = [
            snippet.where
            for path in PAGES
            for snippet in page_snippets.read(path)
            if snippet.kind == "not-run"
        ]
        self.assertLessEqual(len(marked), MOST_NOT_RUN, marked)

    def test_links_of_the_reference(self):
        """In the reference a page's links lead to what is there beside it."""
        docs = SOURCE / "docs"
        for path in docs.glob("*.md"):
            with tempfile.NamedTemporaryFile() as copy:
                prepare = [sys.executable, docs / "prepare-page.py", path, copy.name]
                subprocess.run(prepare, check=True)
                text = pathlib.Path(copy.name).read_text()
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
                with self.subTest(page=path.name, link=link):
                    beside = docs / link
                    beside = beside.with_suffix(".md") if link.endswith(".html") else beside
                    self.assertTrue("://" in link or (beside.parent == docs and beside.exists()))

    def test_output_is_compared(self):
        """What this test stands on."""
        self.assertTrue(page_snippets.matches("a … c\n", "a b b c\n"))
        self.assertFalse(page_snippets.matches("a … c\n", "a b\nc\n"))
        self.assertFalse(page_snippets.matches("a.c\n", "abc\n"))
        for info in ("sh maybe", "sh file=a file=b"):
            with self.assertRaises(ValueError):
                page_snippets.Snippet("page", 1, info, "")


def add_page(path):
    name = path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "_").replace("-", "_")
    setattr(Pages, f"test_{name.lower()}", lambda self: self.check_page(path))


for page_path in PAGES:
    add_page(page_path)


if __name__ == "__main__":
    unittest.main()
