# SPDX-License-Identifier: MIT
"""What an extension that is not loaded yet seems to have, by its source; nothing of it is run.

It is for who looks (dir(), help(), completion), and may be incomplete: methods that are made while
the module runs are known once it is loaded.
"""

import ast
import os

from . import _contents

# A file that is larger is none that somebody has written.
MAX_SIZE = 1024 * 1024
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def outline(module_path):
    """Descriptions as _describe.describe() makes them."""
    path = os.path.abspath(module_path)
    if os.path.isdir(path):
        path = os.path.join(path, "__init__.py")
    try:
        if os.path.getsize(path) > MAX_SIZE:
            return []
        with open(path, "rb") as file:
            body = ast.parse(file.read()).body
        return [_describe(function, bound) for function, bound in _find(body)]
    except (OSError, SyntaxError, ValueError, TypeError, RecursionError):
        return []


def _find(body):
    """The functions, and whether their first parameter is the object."""
    functions = {node.name: node for node in body if isinstance(node, _FUNCTIONS)}
    if "extension_entrypoint" in functions:
        return []
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    chosen = [node for name, node in classes.items() if name[0] != "_" and _is_one(node, classes)]
    if not chosen:
        return [(functions[name], False) for name in _public(body, functions)]
    return _methods(chosen[0], classes) if len(chosen) == 1 else []


def _public(body, functions):
    for node in body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__":
            return [name for name in ast.literal_eval(node.value) if name in functions]
    return [name for name in functions if not name.startswith("_")]


def _bases(node, classes):
    """Those of its bases that the module has, the nearest first."""
    for base in node.bases:
        found = classes.get(getattr(base, "id", None))
        if found is not None and found is not node:
            yield found


def _is_one(node, classes):
    names = [getattr(base, "attr", getattr(base, "id", None)) for base in node.bases]
    return "ExtensionBase" in names or any(_is_one(base, classes) for base in _bases(node, classes))


def _methods(node, classes):
    found = {}
    for base in [node, *_bases(node, classes)]:
        for one in base.body:
            if isinstance(one, _FUNCTIONS) and one.name not in _contents.HOOKS:
                decorators = {getattr(name, "id", None) for name in one.decorator_list}
                if one.name[0] != "_" and "property" not in decorators:
                    found.setdefault(one.name, (one, "staticmethod" not in decorators))
    return list(found.values())


def _describe(node, bound):
    parameters = list(_parameters(node.args))
    if bound and parameters and parameters[0]["kind"].startswith("POSITIONAL"):
        del parameters[0]
        _drop_first(node.args)
    returns = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    return {
        "name": node.name,
        "doc": ast.get_docstring(node) or "",
        "signature": f"({ast.unparse(node.args)}){returns}",
        "parameters": parameters,
        "async": isinstance(node, ast.AsyncFunctionDef),
        "runs_on": "",
    }


def _drop_first(arguments):
    arguments.posonlyargs, arguments.args = (
        (arguments.posonlyargs[1:], arguments.args)
        if arguments.posonlyargs
        else ([], arguments.args[1:])
    )
    count = len(arguments.posonlyargs) + len(arguments.args)
    arguments.defaults = arguments.defaults[-count:] if count else []


def _parameters(arguments):
    positional = [
        *((one, "POSITIONAL_ONLY") for one in arguments.posonlyargs),
        *((one, "POSITIONAL_OR_KEYWORD") for one in arguments.args),
    ]
    missing = [None] * (len(positional) - len(arguments.defaults))
    for (one, kind), default in zip(positional, [*missing, *arguments.defaults]):
        yield _parameter(one, kind, default)
    if arguments.vararg is not None:
        yield _parameter(arguments.vararg, "VAR_POSITIONAL", None)
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        yield _parameter(one, "KEYWORD_ONLY", default)
    if arguments.kwarg is not None:
        yield _parameter(arguments.kwarg, "VAR_KEYWORD", None)


def _parameter(node, kind, default):
    described = {
        "name": node.arg,
        "kind": kind,
        "annotation": "" if node.annotation is None else _annotation(node.annotation),
    }
    if default is not None:
        described["default"] = ast.unparse(default)
    return described


def _annotation(node):
    """As its writer wrote it: a string is without its quotes."""
    return node.value if isinstance(getattr(node, "value", None), str) else ast.unparse(node)
