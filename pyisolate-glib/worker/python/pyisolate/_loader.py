# SPDX-License-Identifier: MIT
"""Imports the extension."""

import sys
from _frozen_importlib import module_from_spec

import _pyisolate_native as native

from . import _contents, _describe, _dispatch, _lazy, _settings


class Loaded:
    """The extension: its module, and its object if it has one."""

    def __init__(self, module, instance, methods):
        self.module = module
        self.instance = instance
        self.methods = methods


def load(settings, run):
    """Load the extension at their path. run(awaitable) runs what is async on the event loop."""
    stage, run_hook = _contents.stage, _contents.run_hook
    module = stage("import", import_extension, settings)
    instance = stage("entrypoint", _contents.make_instance, module, run)
    if instance is not None:
        stage("before_module_loaded", run_hook, run, instance.before_module_loaded)
        stage("on_module_loaded", run_hook, run, instance.on_module_loaded, module)
    methods = stage("describe", _find_methods, module, instance)
    return Loaded(module, instance, methods)


class _Finder:
    """Finds the extension by its name: after a reload, or in a child process."""

    def __init__(self, path, name):
        self.path = path
        self.name = name

    def find_spec(self, name, path=None, target=None):
        return _contents.find_extension(self.path, name) if name == self.name else None


def import_extension(settings):
    path = settings["module_path"]
    spec = _contents.find_extension(path)
    make_findable(path, spec.name)
    _settings.tell_children(settings, spec.name)
    _lazy.install()
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return sys.modules.get(spec.name, module)


def make_findable(path, name):
    sys.meta_path.append(_Finder(path, name))


def _find_methods(module, instance):
    functions = _contents.functions_of(module, instance)
    methods = [
        _dispatch.Method(name, function, _describe.kind_of(function))
        for name, function in functions.items()
    ]
    _set_homes(methods)
    return methods


def _set_homes(methods):
    """In an extension with both kinds the defs leave the loop alone."""
    has_coroutines = any(method.kind == "coroutine" for method in methods)
    for method in methods:
        if method.kind == "coroutine":
            method.home = native.LOOP
        elif method.kind == "def":
            asked = getattr(method.function, "__pyisolate_runs_on__", None)
            usual = native.SECOND if has_coroutines else native.MAIN
            method.home = _dispatch.HOMES.get(asked, usual)
