# SPDX-License-Identifier: MIT
"""pyisolate call: values in and out, and every exit status."""

import json
import os
import re
import subprocess
import sys
import textwrap
import unittest

from cli_helper import DEADLINE, CliTest

ECHO = """
    def echo(*args, **kwargs):
        return [list(args), kwargs] if kwargs else list(args)

    def one(value):
        return value

    def describe(value):
        return [type(value).__name__, repr(value)]
"""


class Values(CliTest):
    def test_three_lines(self):
        extension = self.extension("def add(a, b):\n    return a + b\n")
        done = self.check(0, "call", extension, "add", "1", "2")
        self.assertEqual(("3\n", ""), (done.text, done.err))

    def test_single_file(self):
        file = self.folder / "tool.py"
        file.write_text("def twice(text):\n    return text * 2\n")
        self.assertEqual("abab", self.call(file, "twice", '"ab"'))

    def test_relative_path(self):
        self.extension(ECHO)
        self.assertEqual([1], self.call("sample", "echo", "1"))
        self.assertEqual([1], self.call("./sample/", "echo", "1"))
        self.assertEqual([2], self.call(".", "echo", "2", cwd=self.folder / "sample"))

    def test_json_itself(self):
        extension = self.extension(ECHO)
        values = [1, -2, 1.5, 0.1, True, None, "é\n", [], {}, [1, [2.0]], {"a": {"b": [1]}}]
        arguments = [json.dumps(value) for value in values]
        self.assertEqual(values, self.call(extension, "echo", *arguments))

    def test_negative_numbers_and_dashes(self):
        extension = self.extension(ECHO)
        self.assertEqual([-1, -2.5], self.call(extension, "echo", "-1", "-2.5"))
        self.assertEqual([-1, -3], self.call(extension, "echo", "-1", "--", "-3"))
        self.assertEqual([-1, [-2]], self.call(extension, "echo", "-1", "[-2]", "--timeout", "9"))

    def test_types(self):
        extension = self.extension(ECHO)
        for text, kind, written in (
            ("1", "int", "1"),
            ("1.0", "float", "1.0"),
            ("1e2", "float", "100.0"),
            ("123456789012345678901234567890", "int", "123456789012345678901234567890"),
            ('{"$type": "int", "value": "-99999999999999999999"}', "int", "-99999999999999999999"),
            ('{"$type": "float", "value": "nan"}', "float", "nan"),
            ('{"$type": "float", "value": "-inf"}', "float", "-inf"),
            ('{"$type": "bytes", "value": "AP8="}', "bytes", r"b'\x00\xff'"),
            ('{"$type": "bytearray", "value": "AP8="}', "bytearray", r"bytearray(b'\x00\xff')"),
            ('{"$type": "tuple", "value": [1, "a"]}', "tuple", "(1, 'a')"),
            ('{"$type": "tuple", "value": []}', "tuple", "()"),
            ('{"$type": "set", "value": [1]}', "set", "{1}"),
            ('{"$type": "frozenset", "value": []}', "frozenset", "frozenset()"),
            ('{"$type": "dict", "value": [[1, "a"], [null, 2]]}', "dict", "{1: 'a', None: 2}"),
            ('{"$type": "complex", "value": [1, -2]}', "complex", "(1-2j)"),
            ('{"$type": "date", "value": "2024-02-29"}', "date", "datetime.date(2024, 2, 29)"),
            ('{"$type": "Decimal", "value": "1.10"}', "Decimal", "Decimal('1.10')"),
        ):
            with self.subTest(text):
                self.assertEqual([kind, written], self.call(extension, "describe", text))

    def test_forms_come_back(self):
        extension = self.extension(ECHO)
        for value in (
            {"$type": "int", "value": "123456789012345678901234567890"},
            {"$type": "float", "value": "nan"},
            {"$type": "float", "value": "inf"},
            {"$type": "bytes", "value": "AP8="},
            {"$type": "bytes", "value": ""},
            {"$type": "memoryview", "value": "AP8="},
            {"$type": "tuple", "value": [1, {"$type": "bytes", "value": "YQ=="}]},
            {"$type": "set", "value": [3]},
            {"$type": "dict", "value": [[1, 2]]},
            {"$type": "dict", "value": [["$type", "x"]]},
            {"$type": "complex", "value": [1.0, 2.5]},
            {"$type": "datetime", "value": "2024-02-29T12:30:00+01:00"},
            {"$type": "UUID", "value": "12345678-1234-5678-1234-567812345678"},
            [1, {"a": {"$type": "tuple", "value": []}}],
        ):
            with self.subTest(value):
                self.assertEqual(value, self.call(extension, "one", json.dumps(value)))

    def test_kwargs(self):
        extension = self.extension(ECHO)
        self.assertEqual(
            [[1], {"b": 2, "c": [None]}],
            self.call(extension, "echo", "1", "--kwargs", '{"b": 2, "c": [null]}'),
        )
        self.assertEqual([1], self.call(extension, "echo", "1", "--kwargs", "{}"))
        # What the error proposes can be pasted.
        done = self.check(2, "call", extension, "echo", "--kwargs", "[1]")
        (proposed,) = re.findall(r"'(\{.*\})'", done.err)
        self.assertEqual([[], {"depth": 2}], self.call(extension, "echo", "--kwargs", proposed))

    def test_files_and_stdin(self):
        extension = self.extension(ECHO)
        (self.folder / "one.json").write_text(' {"a": [1, 2]}\n')
        self.assertEqual([{"a": [1, 2]}], self.call(extension, "echo", "@one.json"))
        self.assertEqual([1, "x"], self.call(extension, "echo", "1", "-", stdin=b'"x"\n'))
        self.assertEqual([[], {"a": [1, 2]}], self.call(extension, "echo", "--kwargs", "@one.json"))
        self.assertEqual(
            [[], {"k": 1}], self.call(extension, "echo", "--kwargs", "-", stdin=b'{"k":1}')
        )

    def test_large_value(self):
        extension = self.extension("def length(text):\n    return len(text), text\n")
        text = json.dumps("ä" * 500000)
        value = self.call(extension, "length", "-", stdin=text.encode())
        self.assertEqual(500000, value["value"][0])

    def test_raw(self):
        extension = self.extension(
            """
            def make(kind):
                data = bytes(range(256)) * 300
                return {"bytes": data, "array": bytearray(data), "text": "x", "empty": b""}[kind]
            """
        )
        data = bytes(range(256)) * 300
        self.assertEqual(data, self.check(0, "call", extension, "make", '"bytes"', "--raw").out)
        self.assertEqual(data, self.check(0, "call", extension, "make", '"array"', "--raw").out)
        self.assertEqual(b"", self.check(0, "call", extension, "make", '"empty"', "--raw").out)
        self.assertEqual(b'"x"\n', self.check(0, "call", extension, "make", '"text"', "--raw").out)

    def test_async_and_class(self):
        extension = self.extension(
            """
            import pyisolate

            class Sample(pyisolate.ExtensionBase):
                async def wait(self, value):
                    return value + 1
            """
        )
        self.assertEqual(3, self.call(extension, "wait", "2"))

    def test_without_utf8_locale(self):
        extension = self.extension(ECHO)
        env = {"LC_ALL": "C", "LANG": "C"}
        self.assertEqual(["é"], self.call(extension, "echo", '"é"', env=env))


class Output(CliTest):
    def test_prints_go_to_stderr(self):
        extension = self.extension(
            """
            import logging, os, sys
            print("at import")
            def talk():
                print("one\\ntwo")
                print("three", file=sys.stderr)
                os.write(1, b"stray\\n")
                logging.getLogger("x").warning("careful")
                return "result"
            """
        )
        done = self.check(0, "call", extension, "talk")
        self.assertEqual('"result"\n', done.text)
        lines = done.err.splitlines()
        for text in ("at import", "one", "two", "three", "stray"):
            self.assertIn(f"sample: {text}", lines)
        self.assertRegex(done.err, r"(?m)^sample: .*careful")

    def test_control_characters_do_nothing(self):
        extension = self.extension(
            r"""
            def talk():
                print("\x1b]0;title\x07\x1b[2J")
                raise ValueError("\x1b[31mred")
            """
        )
        done = self.check(1, "call", extension, "talk")
        self.assertNotIn("\x1b", done.err)
        self.assertIn(r"\x1b[2J", done.err)

    def test_variables(self):
        extension = self.extension("import os\ndef get(name):\n    return os.environ.get(name)\n")
        env = {"SECRET_OF_MINE": "x"}
        self.assertEqual("a=b", self.call(extension, "get", '"MY"', "--env", "MY=a=b"))
        self.assertIsNone(self.call(extension, "get", '"SECRET_OF_MINE"', env=env))

    def test_home_is_absolute(self):
        extension = self.extension("import os\ndef home():\n    return os.environ['HOME']\n")
        home = self.call(extension, "home", env={"XDG_STATE_HOME": "states"})
        self.assertTrue(os.path.samefile(self.folder / "states", os.path.dirname(home) + "/../.."))
        self.assertTrue(os.path.isabs(home), home)

    def test_python(self):
        extension = self.extension("import sys\ndef version():\n    return sys.version_info[:2]\n")
        for python in os.environ["PYISOLATE_TEST_PYTHONS"].split(":"):
            with self.subTest(python):
                ask = "import sys; print(list(sys.version_info[:2]))"
                expected = json.loads(subprocess.check_output([python, "-I", "-c", ask]))
                value = self.call(extension, "version", "--python", python)
                self.assertEqual({"$type": "tuple", "value": expected}, value)


class ExitStatus(CliTest):
    def fails(self, code: int, source: str, *arguments: object, expected: str = "", **more) -> str:
        extension = self.extension(source)
        done = self.check(code, "call", extension, *arguments, **more)
        self.assertEqual(b"", done.out)
        self.assertRegex(done.err, r"(?m)^pyisolate: ")
        self.assertIn(expected, done.err)
        return done.err

    def test_exception(self):
        err = self.fails(
            1,
            """
            def inner():
                raise KeyError("missing piece")
            def fail():
                try:
                    inner()
                except KeyError as error:
                    raise ValueError("no luck") from error
            """,
            "fail",
            expected="Traceback (most recent call last):",
        )
        for text in ("missing piece", "no luck", "in inner", "direct cause", "ValueError"):
            self.assertIn(text, err)

    def test_system_exit_is_an_exception(self):
        self.fails(1, "import sys\ndef fail():\n    sys.exit(0)\n", "fail", expected="SystemExit")

    def test_failing_stop_is_logged(self):
        folder = self.extension(
            """
            import pyisolate

            class Stubborn(pyisolate.ExtensionBase):
                def f(self):
                    return 1

                def stop(self):
                    raise RuntimeError("not like this")
            """
        )
        done = self.check(0, "call", folder, "f")
        self.assertEqual(1, done.value)
        self.assertIn("sample: stop() of the extension raised:\n", done.err)
        self.assertIn("sample: RuntimeError: not like this\n", done.err)

    def test_import_error(self):
        err = self.fails(1, "import no_such_module_at_all\n", "x", expected="no_such_module_at_all")
        self.assertIn("Traceback", err)

    def test_unencodable_argument(self):
        text = "[" * 40 + "]" * 40
        self.fails(1, "def f(x):\n    pass\n", "f", text, expected="nested too deep")

    def test_unencodable(self):
        self.fails(1, "def make():\n    return [1, {'k': object()}]\n", "make", expected="object")

    def test_wrong_arguments(self):
        self.fails(1, "def one(a):\n    return a\n", "one", expected="TypeError")

    def test_no_such_method(self):
        err = self.fails(2, "def one():\n    pass\ndef two():\n    pass\n", "tow")
        self.assertIn("“sample” has no method “tow”", err)
        self.assertIn("one, two", err)

    def test_no_such_extension(self):
        done = self.check(2, "call", self.folder / "nowhere", "m")
        self.assertIn("nowhere", done.err)

    def test_not_an_extension(self):
        (self.folder / "empty").mkdir()
        done = self.check(2, "call", self.folder / "empty", "m")
        self.assertIn("__init__.py", done.err)

    def test_bad_variable(self):
        self.fails(2, "def m():\n    pass\n", "m", "--env", "novalue", expected="novalue")

    def test_venv_root_not_writable(self):
        file = self.folder / "file"
        file.write_text("")
        self.fails(2, "def m():\n    pass\n", "m", "--venv-root", file / "x", expected=str(file))

    def test_bad_requirement(self):
        for requirement in ("--index-url=http://localhost", "a b c", "six\n--pre"):
            with self.subTest(requirement):
                extension = self.extension("", f"name{abs(hash(requirement))}")
                done = self.check(3, "call", extension, "m", f"--dep={requirement}")
                self.assertIn("equirement", done.err)

    def test_no_such_python(self):
        self.fails(3, "", "m", "--python", "/no/such/python", expected="/no/such/python")

    def test_python_that_is_excluded(self):
        """By the extension itself: what the user says does not change what it can run with."""
        excluded = "{}.{}.*".format(*sys.version_info[:2])
        project = f"""
            [project]
            name = "sample"
            version = "1"
            requires-python = ">=3.9,!={excluded}"
        """
        extension = self.extension("def m():\n    return 1\n", pyproject_toml=project)
        for command in (("call", extension, "m"), ("env create", extension)):
            done = self.check(3, *command, "--python", sys.executable)
            self.assertIn("requires-python", done.err)
            self.assertEqual(b"", done.out)

    def test_python_that_is_allowed(self):
        """Also where uv was told of a project of the user's, or temporary files lie in one."""
        workspace = """
            [project]
            name = "around"
            version = "1"
            requires-python = ">=3.99"

            [tool.uv.workspace]
            members = ["*"]
        """
        project = """
            [project]
            name = "sample"
            version = "1"
            requires-python = ">=3.9"
        """
        extension = self.extension("def m():\n    return 1\n", pyproject_toml=project)
        around = self.folder / "around"
        around.mkdir()
        (around / "pyproject.toml").write_text(textwrap.dedent(workspace))
        nowhere = {"TMPDIR": str(self.folder / "nowhere")}
        around = {"TMPDIR": str(around)}
        for i, env in enumerate(({"UV_FROZEN": "1"}, {"UV_LOCKED": "1"}, around, nowhere)):
            with self.subTest(**env):
                root = self.folder / f"root-{i}"
                more = ("--python", sys.executable, "--venv-root", root)
                self.assertEqual(1, self.call(extension, "m", *more, env=env))
                self.assertEqual([], list(root.glob("interpreters/.*")))

    def test_uv_missing(self):
        self.fails(
            3,
            "",
            "m",
            "--venv-root",
            self.folder / "fresh",
            env={"PYISOLATE_UV": "/no/uv"},
            expected="/no/uv",
        )

    def test_unsolvable(self):
        (self.folder / "wheels").mkdir()
        self.fails(
            3,
            "",
            "m",
            "--dep",
            "no-such-package-anywhere",
            "--find-links",
            "wheels",
            env={"UV_OFFLINE": "1", "UV_NO_INDEX": "1"},
            expected="no-such-package-anywhere",
        )

    def test_worker_dies(self):
        for how, expected in (
            ("os._exit(7)", "7"),
            ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
            ("os.abort()", "signal 6"),
            ("os.closerange(3, 1024); time.sleep(60)", "closed its connection to the host"),
        ):
            with self.subTest(how):
                source = f"import os, signal, time\ndef die():\n    {how}\n"
                extension = self.extension(source, f"dies{abs(hash(how))}")
                done = self.check(4, "call", extension, "die")
                self.assertIn(expected, done.err)
                self.assertIn(extension.name, done.err)

    def test_crash_shows_where(self):
        err = self.fails(
            4, "import os, signal\ndef die():\n    os.kill(os.getpid(), signal.SIGSEGV)\n", "die"
        )
        self.assertRegex(err, r"(?m)^sample: Fatal Python error: Segmentation fault")
        self.assertRegex(err, r'(?m)^sample:   File ".*sample/__init__.py", line 3 in die')

    def test_dies_at_import(self):
        self.fails(4, "import os\nos._exit(3)\n", "m", expected="3")

    def test_timeout(self):
        self.fails(
            5,
            "import time\ndef wait():\n    time.sleep(600)\n",
            "wait",
            "--timeout",
            "0.2",
            expected="wait",
        )

    def test_start_timeout(self):
        extension = self.extension("import time\ntime.sleep(600)\n")
        for seconds in (0.5, 2, 8, 32):
            (extension / "pyproject.toml").write_text(
                textwrap.dedent(
                    f"""
                    [project]
                    name = "sample"
                    version = "1"
                    [tool.pyisolate]
                    start-timeout = {seconds}
                    """
                )
            )
            done = self.run_cli("call", extension, "m")
            # With much else to do a machine may need more to get to the import at all.
            if "hello" not in done.err:
                break
        self.assertEqual(5, done.code, done.err)
        self.assertIn("sample", done.err)


@unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full")
class ClosedOutput(CliTest):
    def test_full_disk(self):
        extension = self.extension("def m():\n    return 1\n")
        with open("/dev/full", "wb") as full:
            process = self.start_cli("call", extension, "m", stdout=full)
            _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(1, process.returncode)
        self.assertIn(b"No space left", err)

    def test_closed(self):
        """Nothing that is opened later takes the place of a stream that is closed."""
        extension = self.extension("def m():\n    return 1\n")
        for redirection, code in ((">&-", 1), ("2>&-", 0), ("<&-", 0)):
            with self.subTest(redirection):
                script = f'exec "$@" {redirection}'
                process = subprocess.run(
                    ["sh", "-c", script, "sh", *self.command("call", extension, "m")],
                    capture_output=True,
                    timeout=DEADLINE,
                    env=self.environment,
                )
                self.assertEqual(code, process.returncode, process.stderr)
                self.assertEqual(b"" if code else b"1\n", process.stdout)
                if code:
                    self.assertIn(b"Bad file descriptor", process.stderr)

    def test_reader_went_away(self):
        extension = self.extension("def m():\n    return 'x' * 1000000\n")
        process = self.start_cli("call", extension, "m")
        process.stdout.close()
        err = process.stderr.read()
        self.assertEqual(1, process.wait(DEADLINE))
        self.assertIn(b"Broken pipe", err)
