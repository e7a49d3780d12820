# SPDX-License-Identifier: MIT
"""pyisolate describe: text, JSON and stubs."""

import ast

from cli_helper import CliTest

SOURCE = '''
    """An extension."""
    import decimal
    from typing import Any, Callable, Optional

    class Local:
        pass

    def plain(a, b):
        pass

    def typed(a: int, b="x\\n", *rest: float, k: Optional[dict] = None, **more: Any) -> list:
        """Does things.

        With a "quoted" line, a back\\\\slash and \\"\\"\\"three\\"\\"\\".
        """

    def positional(a, /, b=1, *, c):
        pass

    def odd(a: decimal.Decimal, b: Local = Local(), c: Callable[[int], str] = len) -> "Local":
        pass

    async def waits(seconds: float = 0.5) -> None:
        """Waits."""

    def _hidden():
        pass
'''


class Describe(CliTest):
    def test_text(self):
        extension = self.extension(SOURCE)
        text = self.check(0, "describe", extension).text
        self.assertTrue(text.startswith(f"sample, from {extension}\n"), text)
        self.assertIn("\ndef plain(a, b)\n", text)
        self.assertIn("\nasync def waits(seconds: float = 0.5) -> None\n    Waits.\n", text)
        self.assertIn("    Does things.\n", text)
        self.assertNotIn("_hidden", text)

    def test_json(self):
        value = self.check(0, "describe", self.extension(SOURCE), "--json").value
        self.assertEqual("sample", value["name"])
        methods = {method["name"]: method for method in value["methods"]}
        self.assertEqual({"plain", "typed", "positional", "odd", "waits"}, set(methods))
        self.assertTrue(methods["waits"]["async"])
        self.assertFalse(methods["plain"]["async"])
        self.assertEqual("Waits.", methods["waits"]["doc"])
        self.assertIsNone(methods["plain"]["doc"])
        self.assertEqual("list", methods["typed"]["returns"])
        parameters = methods["typed"]["parameters"]
        self.assertEqual(["a", "b", "rest", "k", "more"], [p["name"] for p in parameters])
        self.assertEqual(
            {"name": "a", "kind": "POSITIONAL_OR_KEYWORD", "annotation": "int", "default": None},
            parameters[0],
        )
        self.assertEqual("VAR_POSITIONAL", parameters[2]["kind"])
        self.assertEqual("None", parameters[3]["default"])

    def test_stubs(self):
        text = self.check(0, "describe", self.extension(SOURCE), "--stubs").text
        tree = ast.parse(text)
        functions = {
            node.name: node
            for node in tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        self.assertEqual({"plain", "typed", "positional", "odd", "waits"}, set(functions))
        self.assertIsInstance(functions["waits"], ast.AsyncFunctionDef)
        typed = functions["typed"]
        self.assertEqual("list", ast.unparse(typed.returns))
        self.assertEqual(["a", "b"], [a.arg for a in typed.args.args])
        self.assertEqual("int", ast.unparse(typed.args.args[0].annotation))
        self.assertEqual("x\n", ast.literal_eval(typed.args.defaults[0]))
        self.assertEqual("rest", typed.args.vararg.arg)
        self.assertEqual("more", typed.args.kwarg.arg)
        self.assertEqual(["k"], [a.arg for a in typed.args.kwonlyargs])
        doc = ast.get_docstring(typed)
        self.assertIn('With a "quoted" line, a back\\slash and """three""".', doc)
        positional = functions["positional"].args
        self.assertEqual(["a"], [a.arg for a in positional.posonlyargs])
        self.assertEqual(["b"], [a.arg for a in positional.args])
        self.assertEqual(["c"], [a.arg for a in positional.kwonlyargs])

    def test_stubs_know_their_names(self):
        """Every name that is used is built in, imported or made known."""
        text = self.check(0, "describe", self.extension(SOURCE), "--stubs").text
        # Run as a module: a name that is not known is an error.
        space = {}
        exec(compile(text, "sample.pyi", "exec"), space)
        self.assertIn("typed", space)

    def test_stubs_name_modules_as_others_do(self):
        """Also where annotations are not evaluated, and modules have other names there."""
        extension = self.extension(
            "from __future__ import annotations\n"
            "import collections.abc as cabc, datetime as dt, typing as t\n"
            "def f(a: dt.date, b: cabc.Iterable[t.Any], c: t.Literal['dt.x'], d: s.dt.x)"
            " -> dt.time: ...\n"
        )
        (method,) = self.check(0, "describe", extension, "--json").value["methods"]
        self.assertEqual(
            [
                "datetime.date",
                "collections.abc.Iterable[typing.Any]",
                "typing.Literal['dt.x']",
                "s.dt.x",
            ],
            [parameter["annotation"] for parameter in method["parameters"]],
        )
        self.assertEqual("datetime.time", method["returns"])

    def test_no_methods(self):
        extension = self.extension("import os\n")
        self.assertIn("no public methods", self.check(0, "describe", extension).text)
        self.assertEqual([], self.check(0, "describe", extension, "--json").value["methods"])
        ast.parse(self.check(0, "describe", extension, "--stubs").text)

    def test_import_error(self):
        done = self.check(1, "describe", self.extension("import no_such_thing\n"))
        self.assertIn("no_such_thing", done.err)
