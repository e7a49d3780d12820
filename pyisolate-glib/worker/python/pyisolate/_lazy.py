# SPDX-License-Identifier: MIT
"""TLS of asyncio's, for who uses it.

asyncio imports `ssl`, which takes a fifth of its time and of its memory. So what asyncio imports of
that becomes a module that is executed when somebody looks into it for the first time. Who imports
`ssl` before asyncio has the usual one.
"""

import sys
from _frozen_importlib_external import PathFinder
from _thread import RLock

NAMES = ("ssl", "asyncio.sslproto")

# A module has these before it is executed, and the import statement asks for some of them.
KNOWN = {
    "__class__",
    "__name__",
    "__spec__",
    "__loader__",
    "__package__",
    "__file__",
    "__cached__",
    "__path__",
}

Module = type(sys)
lock = RLock()
loading = set()


class LazyModule(Module):
    """Not executed yet. Whoever comes while another thread does it waits."""

    def __getattribute__(self, name):
        if name not in KNOWN:
            execute(self)
        return Module.__getattribute__(self, name)

    def __setattr__(self, name, value):
        execute(self)
        Module.__setattr__(self, name, value)

    def __delattr__(self, name):
        execute(self)
        Module.__delattr__(self, name)


def execute(module):
    with lock:
        name = module.__name__
        if type(module) is not LazyModule or name in loading:
            return
        loading.add(name)
        try:
            module.__spec__.loader.exec_module(module)
            Module.__setattr__(module, "__class__", Module)
        finally:
            loading.discard(name)


class Loader:
    """In the place of the one that executes the module at once."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        module.__class__ = LazyModule


class Finder:
    """Finds for asyncio only, and until it has all."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in NAMES or not is_for_asyncio(sys._getframe(1)):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or not hasattr(spec.loader, "exec_module") or not has_tls():
            return None
        if name == NAMES[-1]:
            sys.meta_path.remove(cls)
        spec.loader = Loader(spec.loader)
        return spec


def has_tls():
    """Where there is none asyncio is to know."""
    return "_ssl" in sys.builtin_module_names or PathFinder.find_spec("_ssl") is not None


def is_for_asyncio(frame):
    """Whether it is a module of asyncio's that imports."""
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if not name.startswith(("importlib.", "_frozen_importlib")):
            return name.startswith("asyncio.")
        frame = frame.f_back
    return False


def install():
    if "asyncio" not in sys.modules:
        sys.meta_path.insert(0, Finder)
