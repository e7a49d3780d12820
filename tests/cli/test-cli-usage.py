# SPDX-License-Identifier: MIT
"""What the program says about itself, and what it does not take."""

import os
import re
import shutil
import subprocess
import unittest

from cli_helper import COMPLETION, DEADLINE, PROGRAM, SOURCE, CliTest

FOLDER = SOURCE / "pyisolate-glib" / "cli"
MANUAL = FOLDER / "pyisolate.1"
ENV_COMMANDS = ["create", "update", "list", "show", "verify", "repair", "remove", "prune"]
COMMANDS = ["call", "describe", "doctor", *(f"env {name}" for name in ENV_COMMANDS)]


def options_of(text: str) -> set:
    return set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))


class Help(CliTest):
    def help(self, command: str) -> str:
        # --help stands alone: nothing else is needed for it.
        done = subprocess.run(
            [PROGRAM, *command.split(), "--help"],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=self.environment,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout

    def test_every_command(self):
        for command in COMMANDS:
            with self.subTest(command):
                text = self.help(command)
                self.assertIn(f"pyisolate {command} [OPTION", text)
                self.assertIn("--venv-root", text)

    def test_lists_commands(self):
        for command, names in (("", ["call", "describe", "env", "doctor"]), ("env", ENV_COMMANDS)):
            text = self.help(command)
            for name in names:
                self.assertRegex(text, rf"(?m)^  {name} ")

    def test_version(self):
        done = subprocess.run([PROGRAM, "--version"], capture_output=True, timeout=DEADLINE)
        self.assertEqual(0, done.returncode)
        self.assertRegex(done.stdout.decode(), r"^pyisolate \d+\.\d+\.\d+\n$")

    def test_manual_has_every_option(self):
        manual = MANUAL.read_text().replace("\\-", "-")
        for command in COMMANDS:
            self.assertIn(f"pyisolate\n.B {command}\n", manual)
            for option in options_of(self.help(command)):
                self.assertIn(option, manual, f"of {command}")
        self.assertIn("--version", manual)

    def test_manual_has_no_other_option(self):
        real = set().union(*(options_of(self.help(command)) for command in ["", *COMMANDS]))
        manual = MANUAL.read_text().replace("\\-", "-")
        named = set(re.findall(r"(?m)^\.(?:TP|BI?|BR|OP|RB).*?(--[a-z-]+)", manual))
        self.assertEqual(set(), named - real)
        self.assertGreater(len(named), 15)

    @unittest.skipUnless(shutil.which("man"), "man is not installed")
    def test_manual_lints(self):
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", MANUAL],
            capture_output=True,
            timeout=DEADLINE,
            env={**os.environ, "MANROFFSEQ": "", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
        )
        self.assertEqual((0, b""), (done.returncode, done.stderr))


class Usage(CliTest):
    def check_usage(self, expected: str, command: str, *arguments: object, **more) -> None:
        done = self.check(2, command, *arguments, **more)
        self.assertEqual(b"", done.out)
        self.assertTrue(done.err.startswith("pyisolate: "), done.err)
        self.assertIn(expected, done.err)

    def test_no_command(self):
        for command in ("", "env"):
            done = subprocess.run(
                [PROGRAM, *command.split()], capture_output=True, timeout=DEADLINE
            )
            self.assertEqual(2, done.returncode)
            self.assertIn(b"a command is missing", done.stderr)
            self.assertIn(b"--help", done.stderr)

    def test_unknown_command(self):
        for command in ("fly", "env fly"):
            done = subprocess.run(
                [PROGRAM, *command.split()], capture_output=True, timeout=DEADLINE
            )
            self.assertEqual(2, done.returncode)
            self.assertIn("there is no command “fly”".encode(), done.stderr)

    def test_unknown_option(self):
        for command in COMMANDS:
            with self.subTest(command):
                self.check_usage("--flying", command, "--flying")

    def test_missing_arguments(self):
        self.check_usage("an extension is missing", "call")
        self.check_usage("a method is missing", "call", "x")
        self.check_usage("one extension is expected", "describe")
        self.check_usage("an extension is missing", "env create")
        self.check_usage("an extension is missing", "env update")
        for command in ("env show", "env repair", "env remove"):
            self.check_usage("the key of one environment", command)

    def test_too_many_arguments(self):
        self.check_usage("one extension is expected", "describe", "a", "b")
        self.check_usage("no argument", "doctor", "a")
        self.check_usage("no argument", "env list", "a")
        self.check_usage("no argument", "env prune", "a")
        self.check_usage("one environment", "env verify", "a", "b")

    def test_values_of_options(self):
        self.check_usage("--timeout", "call", "x", "m", "--timeout", "soon")
        for wrong in ("0", "-1", "nan", "1e30"):
            self.check_usage("--timeout", "call", "x", "m", "--timeout", wrong)
        for wrong in ("-1", "-3"):
            self.check_usage("--older-than", "env prune", "--older-than", wrong)
        self.check_usage("--venv-root", "env list", "--venv-root", "")
        self.check_usage("exclude each other", "describe", "x", "--stubs", "--json")

    def test_empty_values(self):
        self.extension("def m():\n    pass\n")
        self.check_usage("DIR-or-FILE is empty", "call", "", "m")
        for option in ("--python", "--lock", "--index-url", "--torch-environment", "--find-links"):
            self.check_usage(f"{option} is empty", "call", "sample", "m", option, "")
            self.check_usage(f"{option} is empty", "env create", "sample", option, "")

    def test_common_options_before_the_command(self):
        for words in (
            ["--venv-root", "one", "env", "list"],
            ["env", "--venv-root", "one", "list"],
            ["--venv-root", "two", "env", "list", "--venv-root", "one"],
        ):
            done = subprocess.run(
                [PROGRAM, *words], capture_output=True, timeout=DEADLINE, cwd=self.folder
            )
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertIn(f"0 environments in {self.folder}/one,".encode(), done.stdout)

    def test_json_arguments(self):
        self.check_usage("argument 1 (hello)", "call", "x", "m", "hello")
        self.check_usage("in double quotes", "call", "x", "m", "hello")
        self.check_usage("argument 2 ([1,]): line 1, column 4", "call", "x", "m", "1", "[1,]")
        self.check_usage("argument 1 (-1x)", "call", "x", "m", "-1x")
        self.check_usage("object of names and values", "call", "x", "m", "--kwargs", "[1]")
        self.check_usage("--kwargs", "call", "x", "m", "--kwargs", "{")
        self.check_usage("No such file", "call", "x", "m", "@/no/such/file")
        self.check_usage("one argument only", "call", "x", "m", "-", "-")
        self.check_usage("one argument only", "call", "x", "m", "-", "--kwargs", "-")
        self.check_usage("a comma or ]", "call", "x", "m", "-", stdin=b"[1, 2")
        self.check_usage("UTF-8", "call", "x", "m", "-", stdin=b'"\xff"')

    def test_forms(self):
        for text in (
            '{"$type": "bytes", "value": "no base64!"}',
            '{"$type": "set"}',
            '{"$type": "wheel", "value": 1}',
            '{"$type": "int", "value": "12x"}',
        ):
            with self.subTest(text):
                self.check_usage("argument 1", "call", "x", "m", text)


class Completion(CliTest):
    def test_syntax(self):
        subprocess.run(["bash", "-n", COMPLETION], check=True, timeout=DEADLINE)

    def test_commands(self):
        self.assertEqual(["call", "describe", "env", "doctor"], self.complete("pyisolate", ""))
        self.assertEqual(["doctor"], self.complete("pyisolate", "do"))
        self.assertEqual(["repair", "remove"], self.complete("pyisolate", "env", "re"))
        self.assertEqual(ENV_COMMANDS, self.complete("pyisolate", "env", ""))

    def test_options_are_the_real_ones(self):
        for command in ["", "env", *COMMANDS]:
            help_text = subprocess.run(
                [PROGRAM, *command.split(), "--help"],
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                env=self.environment,
            ).stdout
            with self.subTest(command):
                offered = self.complete("pyisolate", *command.split(), "--")
                self.assertEqual(options_of(help_text), set(offered))
                self.assertEqual(len(offered), len(set(offered)))

    def test_methods(self):
        self.extension(
            "def one(a):\n    pass\nasync def other():\n    pass\ndef _no():\n    pass\n"
        )
        self.assertEqual(["one", "other"], self.complete("pyisolate", "call", "sample", ""))
        self.assertEqual(
            ["one"], self.complete("pyisolate", "call", "--timeout", "3", "sample", "on")
        )

    def test_files(self):
        self.extension("")
        self.assertEqual(["sample"], self.complete("pyisolate", "describe", "sa"))
        self.assertEqual(["sample"], self.complete("pyisolate", "call", "--venv-root", "sa"))

    def test_values_that_are_several_words_for_bash(self):
        self.extension("def one():\n    pass\n")
        for value in (
            ["--timeout", "=", "3"],
            ["--env", "KEY", "=", "value"],
            ["--index-url", "https", ":", "//localhost", ":", "80/simple"],
            ["--venv-root", "=", "sample"],
        ):
            with self.subTest(value):
                words = ("pyisolate", *value, "call", *value, "sample", "")
                self.assertEqual(["one"], self.complete(*words))
        for words in (["--venv-root", "="], ["--venv-root", "=", "sa"]):
            with self.subTest(words):
                self.assertIn("sample", self.complete("pyisolate", "call", *words))

    def test_no_environments(self):
        root = str(self.folder / "none")
        self.assertEqual([], self.complete("pyisolate", "env", "show", "--venv-root", root, ""))
