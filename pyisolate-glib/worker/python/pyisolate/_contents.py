# SPDX-License-Identifier: MIT
"""What an extension's module is called, and what of it the host can call. A host has this file too.

The extension is a package (a directory with __init__.py) or a single file. It is imported under its
normalised name: what cannot stand in a name becomes an underscore, so that relative imports,
submodules, importlib.resources and pickle work. Should something else be importable under that name
(a module of the standard library, an installed package), that keeps it, and the extension gets
`_extension` appended, with a warning. No folder of the extension's own is put on sys.path.
"""

import os
import sys
from _frozen_importlib_external import PathFinder, SourceFileLoader, spec_from_file_location
from keyword import iskeyword

import pyisolate

from . import _describe
from ._native import warn

HOOKS = ("before_module_loaded", "on_module_loaded", "stop")


class LoadError(Exception):
    """Which part of loading raised `error`."""

    def __init__(self, stage, error):
        super().__init__(stage, error)
        self.stage = stage
        self.error = error


def stage(stage, function, *args):
    try:
        return function(*args)
    except BaseException as error:
        raise LoadError(stage, error) from None


def run_hook(run, function, *args):
    result = function(*args)
    return run(result) if hasattr(result, "__await__") else result


def normalise(stem):
    name = "".join(c if c.isalnum() or c == "_" else "_" for c in stem)
    if not name.isidentifier():
        name = "_" + name
    if iskeyword(name):
        name += "_"
    return name


def find_extension(path, name=None, loader=SourceFileLoader):
    """The spec of the module at this path."""
    package = os.path.isdir(path)
    stem = os.path.basename(path) if package else os.path.splitext(os.path.basename(path))[0]
    origin = os.path.join(path, "__init__.py") if package else path
    if name is None:
        name = _free_name(normalise(stem), origin)
    return spec_from_file_location(
        name,
        origin,
        loader=loader(name, origin),
        submodule_search_locations=[path] if package else None,
    )


def _free_name(name, origin):
    taken = _taken_by(name, origin)
    if taken is None:
        return name
    free = name
    while _taken_by(free, origin) is not None:
        free += "_extension"
    warn(
        f"The name {name!r} of the extension's module is that of {taken}, which keeps it; "
        f"the extension is imported as {free!r}",
    )
    return free


def _taken_by(name, origin):
    if name in getattr(sys, "stdlib_module_names", sys.builtin_module_names):
        return "a module of Python's own"
    if name in sys.modules:
        return (
            "a module of this runtime"
            if name == "pyisolate"
            else "a module that is imported already"
        )
    spec = PathFinder.find_spec(name)
    # A folder without __init__.py is found too, but is nothing yet.
    if spec is None or spec.loader is None or not spec.has_location:
        return None
    if os.path.exists(spec.origin) and os.path.samefile(spec.origin, origin):
        return None
    return f"an installed module ({spec.origin})"


def make_instance(module, run):
    entrypoint = getattr(module, "extension_entrypoint", None)
    if entrypoint is not None:
        instance = run_hook(run, entrypoint)
        if not isinstance(instance, pyisolate.ExtensionBase):
            raise TypeError(
                "extension_entrypoint() must return an object of a class derived from "
                f"pyisolate.ExtensionBase, not {type(instance).__name__}"
            )
        return instance
    classes = _find_classes(module)
    if len(classes) > 1:
        names = ", ".join(sorted(cls.__qualname__ for cls in classes))
        raise TypeError(
            f"The module has {len(classes)} classes derived from pyisolate.ExtensionBase "
            f"({names}): add a function extension_entrypoint() that returns the one to use"
        )
    return classes[0]() if classes else None


def _find_classes(module):
    """Those that the extension's code defines; one with an underscore is a base for others."""
    inside = module.__name__ + "."
    found = []
    for name, value in vars(module).items():
        if (
            isinstance(value, type)
            and issubclass(value, pyisolate.ExtensionBase)
            and (value.__module__ + ".").startswith(inside)
            and not name.startswith("_")
            and value not in found
        ):
            found.append(value)
    return found


def functions_of(module, instance):
    """What the host can call, by its name."""
    return _functions_of(module) if instance is None else _methods_of(instance)


def _functions_of(module):
    listed = getattr(module, "__all__", None)
    functions = {}
    for name, value in vars(module).items():
        chosen = _module_of(value) == module.__name__ if listed is None else name in listed
        if chosen and not name.startswith("_") and _is_function(value):
            functions[name] = value
    return functions


def _module_of(value):
    """Where it was written; a partial where its function was."""
    while _is_of_functools(value, "partial") and "__module__" not in value.__dict__:
        value = value.func
    return getattr(value, "__module__", None)


def _is_of_functools(value, *names):
    return type(value).__module__ == "functools" and type(value).__name__ in names


def _methods_of(instance):
    functions = {}
    seen = {*HOOKS, *vars(pyisolate.ExtensionBase)}
    for cls in type(instance).__mro__:
        if cls in (pyisolate.ExtensionBase, object):
            continue
        for name, value in vars(cls).items():
            if name in seen or name.startswith("_"):
                continue
            seen.add(name)
            if _is_of_functools(value, "singledispatchmethod"):
                functions[name] = _dispatched(value, instance, name)
            elif _is_method(value) or _is_function(value):
                functions[name] = getattr(instance, name)
    return functions


def _is_method(value):
    kinds = staticmethod, classmethod
    return isinstance(value, kinds) or _is_of_functools(value, "partialmethod")


def _dispatched(method, instance, name):
    """What it wraps takes no object any more, but that is not what it says."""
    first = method.func.__get__(instance)

    def dispatched(*args, **kwargs):
        return getattr(instance, name)(*args, **kwargs)

    dispatched.__wrapped__ = first
    dispatched.__doc__ = first.__doc__
    return dispatched


def _mark(function, runs_on):
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & 0x280:  # CO_COROUTINE | CO_ASYNC_GENERATOR
        raise TypeError(
            f"@pyisolate.{'inline' if runs_on == 'main' else 'threaded'} is for def, not async def"
        )
    function.__pyisolate_runs_on__ = runs_on
    return function


def inline(function):
    """Run this `def` on the main thread, also where there are `async def` methods beside it."""
    return _mark(function, "main")


def threaded(function):
    """Run this `def` on a thread from a pool."""
    return _mark(function, "pool")


def _is_function(value):
    """A def, or what a decorator or functools.partial made of one."""
    if isinstance(value, type) or not callable(value):
        return False
    return (
        type(value) is _describe.Function
        or hasattr(value, "__wrapped__")
        or type(value).__module__ == "functools"
        or type(value).__name__ == "builtin_function_or_method"
    )
