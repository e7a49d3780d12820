# SPDX-License-Identifier: MIT
"""Imports of extensions with isolated=False.

The modules of such an extension have an `__import__` of their own: they see in `pyisolate` what
there is in a worker, and proxies for the classes of the singletons that the extension may use. So
an extension is written the same way for both. All else is imported as ever, and no module of the
host's is changed.
"""

import builtins
import functools
import sys
import types
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import module_from_spec

from . import _contents

_SHOWN = ("__file__", "__loader__", "__package__", "__path__", "__spec__")


class View(types.ModuleType):
    """A module of the host's with some names replaced."""

    def __init__(self, module, names, see):
        super().__init__(module.__name__, module.__doc__)
        self.__dict__.update({key: vars(module)[key] for key in _SHOWN if key in vars(module)})
        self.__dict__.update(names)
        self.__dict__["__getattr__"] = functools.partial(_get_from, module, see)
        self.__dict__["__dir__"] = lambda: sorted({*dir(module), *names})


def _get_from(module, see, name):
    if name == "__all__" and not hasattr(module, name):
        return [name for name in dir(module) if not name.startswith("_")]
    return see(getattr(module, name))


class Imports:
    """What one extension sees: `names` are those that differ, by the module that has them."""

    def __init__(self, path, names):
        self.path = path
        self.names = names
        self.views = {}
        self.made = {}
        self.packages = {".".join(parts) for parts in _parents(names)}
        self.builtins = {**vars(builtins), "__import__": self._import}
        self.root = None

    def _import(self, name, globals=None, locals=None, fromlist=(), level=0):
        try:
            module = builtins.__import__(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            # As in a worker: what has a singleton of the extension's needs no file. Another module
            # that lacks it is none.
            if error.name not in self.names and error.name not in self.packages:
                raise
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            module = self._make(name)
            if not fromlist:
                module = self._make(name.partition(".")[0])
        return self._see(module)

    def _make(self, name):
        module = self.made.get(name)
        if module is None:
            module = self.made[name] = types.ModuleType(name)
            parent, _, last = name.rpartition(".")
            if parent:
                setattr(self._make(parent), last, module)
        return module

    def _see(self, value):
        if not isinstance(value, types.ModuleType):
            return value
        name = value.__name__
        if name not in self.names and name not in self.packages:
            return value
        view = self.views.get(name)
        if view is None:
            view = self.views[name] = View(value, self.names.get(name, {}), self._see)
        return view

    # ---- the extension's modules, as a finder of them ----

    def load(self, prepare):
        """Import the extension; prepare(its name) is called before anything of it runs."""
        spec = _contents.find_extension(self.path, loader=self._new_loader)
        self.root = spec.name
        prepare(spec.name)
        sys.meta_path.insert(0, self)
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            self.unload()
            raise
        return sys.modules.get(spec.name, module)

    def _new_loader(self, name, path):
        return _Loader(name, path, self.builtins)

    def find_spec(self, name, path=None, target=None):
        if name == self.root:
            return _contents.find_extension(self.path, name, self._new_loader)
        if not name.startswith(f"{self.root}."):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = self._new_loader(name, spec.loader.path)
        return spec

    def unload(self):
        """Let another version of the extension be imported under its name."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in list(sys.modules):
            if name == self.root or name.startswith(f"{self.root}."):
                del sys.modules[name]


class _Loader(SourceFileLoader):
    def __init__(self, name, path, names):
        super().__init__(name, path)
        self.builtins = names

    def exec_module(self, module):
        module.__dict__["__builtins__"] = self.builtins
        super().exec_module(module)


def _parents(names):
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts)):
            yield parts[:length]
