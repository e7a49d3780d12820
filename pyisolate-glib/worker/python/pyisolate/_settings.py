# SPDX-License-Identifier: MIT
"""What the host said at first, and what the extension's own children are told of it.

A child that multiprocessing starts by "spawn" or "forkserver" imports the extension anew. So what
its modules may ask for while they are imported is there: their own name, that of the extension, its
directory, the classes of the singletons. There is no host to call.
"""

import os

import pyisolate

from . import _shared, _singleton

VARIABLE = "PYISOLATE_CHILDREN"

# The kernel takes 128 KiB in one variable.
MAX_TEXT = 100 * 1024


def adopt(name, state_directory, apis, source_paths):
    pyisolate.extension_name = name
    pyisolate.state_directory = state_directory
    _singleton.apis.update((api, about.get("methods")) for api, about in apis.items())
    _shared.install(apis, source_paths)


def tell_children(settings, module_name):
    names = "name", "state_directory", "source_paths"
    told = {name: settings[name] for name in names}
    told["module"] = settings["module_path"], module_name
    told["apis"] = {api: _in_short(about) for api, about in settings["apis"].items()}
    if len(os.fsencode(repr(told))) > MAX_TEXT:
        for about in told["apis"].values():
            about["methods"] = None  # any
    os.environ[VARIABLE] = repr(told)


def _in_short(about):
    short = {key: about[key] for key in ("module", "class", "attributes") if key in about}
    methods = about.get("methods")
    short["methods"] = None if methods is None else {name: {} for name in methods}
    return short


def adopt_as_child():
    """The path and the name of the extension's module, or None."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return None

    import ast

    told = ast.literal_eval(text)
    module = told.pop("module")
    adopt(**told)
    return module
