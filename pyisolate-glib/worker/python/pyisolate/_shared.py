# SPDX-License-Identifier: MIT
"""Classes of a host in Python, by their own import.

`from shared import DatabaseAPI` gives a proxy class: made of what the host told of its singleton,
where no file of the host's is importable; of the class statement itself, where the host listed its
directory among the extension's source paths. Then methods with @local_execution run here.
"""

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder

from . import _singleton

_abouts: dict = {}
"""Name of a singleton → what the host told of it, where it has a class."""


def local_execution(function):
    """Run this method of a ProxiedSingleton in the process that calls it."""
    function.__pyisolate_local__ = True
    return function


def _is_local(value):
    function = getattr(value, "__func__", value)
    return getattr(function, "__pyisolate_local__", False)


def _is_remote(name, value):
    if name.startswith("_") or _is_local(value) or isinstance(value, type):
        return False
    return callable(value) or isinstance(value, (property, staticmethod, classmethod))


class _Meta(type):
    """One object of each class, which stands for the host's."""

    def __new__(meta, name, bases, namespace, **keywords):
        # What is not here is asked of the host.
        kept = {key: value for key, value in namespace.items() if not _is_remote(key, value)}
        return super().__new__(meta, name, bases, kept, **keywords)

    def __call__(cls, *args, **kwargs):
        instance = cls.__dict__.get("_pyisolate_instance")
        if instance is None:
            instance = object.__new__(cls)
            object.__setattr__(instance, "_pyisolate_proxy", _singleton.singleton(_name_of(cls)))
            type.__setattr__(cls, "_pyisolate_instance", instance)
        return instance


class ProxiedSingleton(metaclass=_Meta):
    """A service of the host's: `await Class().method()`, or `Class().sync.method()`."""

    def __getattr__(self, name):
        proxy = object.__getattribute__(self, "_pyisolate_proxy")
        about = _abouts.get(getattr(proxy, "_pyisolate_name", None)) or {}
        nested = (about.get("attributes") or {}).get(name)
        return getattr(proxy, name) if nested is None else _singleton.singleton(nested)

    def __reduce__(self):
        return type(self), ()

    def __dir__(self):
        return sorted({*super().__dir__(), *dir(self._pyisolate_proxy)})

    def __repr__(self):
        return f"<{type(self).__qualname__}: {self._pyisolate_proxy!r}>"


def _name_of(cls):
    return cls.__dict__.get("_pyisolate_name") or f"{cls.__module__}.{cls.__qualname__}"


def use(cls, make_caller):
    """Have the class stand for the host's singleton of its name, else for what make_caller() gives.

    Before it has an object.
    """
    name = _name_of(cls)
    name = name if name in _singleton.apis else _singleton.aliases.get(cls.__name__)
    if cls.__dict__.get("_pyisolate_instance") is not None:
        if name is not None and cls()._pyisolate_proxy._pyisolate_name == name:
            return
        raise RuntimeError(f"{cls.__qualname__} is used already: call use_remote() before")
    instance = object.__new__(cls)
    proxy = make_caller() if name is None else _singleton.singleton(name)
    object.__setattr__(instance, "_pyisolate_proxy", proxy)
    type.__setattr__(cls, "_pyisolate_instance", instance)


def install(abouts, source_paths):
    """Make the classes that the host tells of importable."""
    modules = {}
    for name, about in abouts.items():
        module, cls = about.get("module"), about.get("class")
        if module and cls:
            _abouts[name] = about
            modules.setdefault(module, {})[cls] = name
    _singleton.aliases.update(_bare_names())
    modules.pop("__main__", None)
    if modules:
        sys.meta_path.insert(0, _Finder(modules, source_paths))


def _bare_names():
    """The names of classes that only one singleton has."""
    bare = {}
    for name, about in _abouts.items():
        bare.setdefault(about["class"], []).append(name)
    return {cls: names[0] for cls, names in bare.items() if len(names) == 1}


class _Finder:
    """Finds the modules in which the host has its classes, unless a source path has them."""

    def __init__(self, modules, source_paths):
        self.modules = modules
        self.source_paths = source_paths

    def find_spec(self, name, path=None, target=None):
        classes = self.modules.get(name, {})
        package = any(module.startswith(name + ".") for module in self.modules)
        if not classes and not package:
            return None
        if PathFinder.find_spec(name, self.source_paths if path is None else path) is not None:
            return None
        return ModuleSpec(name, _Loader(classes), is_package=package)


class _Loader:
    def __init__(self, classes):
        self.classes = classes

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__doc__ = "Made of what the host told of its singletons."
        for cls, name in self.classes.items():
            namespace = {
                "__module__": module.__name__,
                "__doc__": _abouts[name].get("doc"),
                "_pyisolate_name": name,
            }
            setattr(module, cls, _Meta(cls, (ProxiedSingleton,), namespace))

        def missing(name):
            if name.startswith("__"):
                raise AttributeError(name)
            known = ", ".join(self.classes) or "none"
            raise ImportError(
                f"cannot import name {name!r} from {module.__name__!r}: in an extension that "
                "module has only the singletons that the host listed among the extension's `apis` "
                f"({known}). To make more of the application's code importable, list its "
                "directory among the extension's `source_paths`"
            )

        module.__getattr__ = missing
