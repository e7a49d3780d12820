# SPDX-License-Identifier: MIT
"""Configurations: dictionaries with defaults, whose keys are attributes too."""

import enum
import os
import pathlib
import sys
import typing


class SandboxMode(enum.Enum):
    """Whether an extension must run in a sandbox. There is none yet: REQUIRED is an error.

    The values are good as texts too: `sandbox_mode="disabled"`.
    """

    REQUIRED = "required"
    DISABLED = "disabled"


_NEEDED = object()

# Keys of pyisolate 0.10 that have no meaning here; docs/migrating.md says what to use.
_NOT_BUILT = frozenset(
    [
        "module",
        "package_manager",
        "execution_model",
        "sealed_host_ro_paths",
        "conda_channels",
        "conda_dependencies",
        "conda_platforms",
        "cuda_wheels",
    ]
)


class _Config(dict):
    """`config["name"]` and `config.name`; a key that there is not is a TypeError."""

    _defaults: typing.ClassVar[dict] = {}

    def __init__(self, *args, **kwargs):
        given = dict(*args, **kwargs)
        for key in given:
            self._check(key)
        missing = [
            key
            for key, default in self._defaults.items()
            if default is _NEEDED and key not in given
        ]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {' and '.join(missing)}")
        for key, default in self._defaults.items():
            value = given.get(key, default)
            super().__setitem__(key, value() if value in (list, dict) else value)

    def _check(self, key):
        if key in self._defaults:
            return
        if key in _NOT_BUILT:
            raise TypeError(
                f"{type(self).__name__}: {key!r} of the Python pyisolate is not built here; "
                "docs/migrating.md says why, and what to use"
            )
        import difflib

        close = difflib.get_close_matches(str(key), self._defaults)
        known = ", ".join(self._defaults)
        hint = f"perhaps {close[0]!r} is meant" if close else f"there are {known}"
        raise TypeError(f"{type(self).__name__} has no key {key!r}; {hint}")

    def __setitem__(self, key, value):
        self._check(key)
        super().__setitem__(key, value)

    def update(self, *args, **kwargs):
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key, default=None):
        self._check(key)
        return self[key]

    def __delitem__(self, key):
        raise TypeError(f"The keys of {type(self).__name__} cannot be removed")

    pop = popitem = clear = __delitem__

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no key {key!r}") from None

    def __setattr__(self, key, value):
        self[key] = value

    def __repr__(self):
        changed = {
            key: value
            for key, value in self.items()
            if self._defaults[key] not in (list, dict) or value
            if value != self._defaults[key]
        }
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    def copy(self):
        return type(self)(self)

    __copy__ = copy

    def __reduce__(self):
        return type(self), (dict(self),)


class ExtensionManagerConfig(_Config):
    """What a manager is made with.

    venv_root_path: the directory of the extensions' environments; None: one in the user's cache.
    application_id: the name below which extensions have their state directories; None: that of the
    Gio.Application, or of the program, which is the script or module that runs.
    python, uv_path: the interpreter of the extensions and the program uv; None: this one's, and
    that of this virtual environment, or else the one on PATH. torch_environment: whose torch
    extensions with `share_torch` use, a virtual environment or the directory that torch is in;
    None: this Python's. max_parallel_installs, max_parallel_starts: caps for many at once.
    show_progress: whether a terminal gets a bar while environments are made; None: if nobody else
    shows it.
    """

    _defaults: typing.ClassVar[dict] = {
        "venv_root_path": None,
        "application_id": None,
        "python": None,
        "uv_path": None,
        "torch_environment": None,
        "max_parallel_installs": 2,
        "max_parallel_starts": 4,
        "show_progress": None,
    }


class ExtensionConfig(_Config):
    """What an extension is loaded with: its name, where its module is, what it needs.

    Times are in seconds; None: no limit. shared_memory_limit: how many bytes of shared memory there
    may be for it, copies of what was sent and what it makes; None: half of the machine's memory.
    """

    _defaults: typing.ClassVar[dict] = {
        "name": _NEEDED,
        "module_path": _NEEDED,
        "isolated": True,
        "dependencies": list,
        "apis": list,
        "share_torch": False,
        "share_cuda_ipc": False,
        "sandbox_mode": SandboxMode.DISABLED,
        "sandbox": None,
        "env": dict,
        "python": None,
        "environment": None,
        "source_paths": list,
        "find_links": list,
        "index_url": None,
        "extra_index_urls": list,
        "lock_file": None,
        "allow_source_builds": False,
        "auto_update": False,
        "call_timeout": None,
        "start_timeout": 60.0,
        "stop_timeout": 5.0,
        "kill_on_timeout": False,
        "shared_memory_limit": None,
    }

    @classmethod
    def from_directory(cls, path, **more):
        """What the extension in this directory, or single file, says of itself.

        That stands in its pyproject.toml ([project], [tool.pyisolate]), its requirements.txt or its
        inline script metadata; what `more` says comes before it. Files are read while it waits.
        """
        from gi.repository import GLib, PyIsolate

        from ._host_errors import of_glib

        try:
            gconfig = PyIsolate.ExtensionConfig.new_from_directory(os.path.abspath(path))
        except GLib.Error as error:
            raise of_glib(error) from None
        found = {key: gconfig.get_property(key.replace("_", "-")) for key in _OF_DIRECTORY}
        for key in ("call_timeout", "start_timeout", "stop_timeout"):
            found[key] = None if found[key] < 0 else found[key] / 1000
        return cls(found, **more)


_OF_DIRECTORY = (
    "name",
    "module_path",
    "dependencies",
    "apis",
    "python",
    "source_paths",
    "find_links",
    "index_url",
    "extra_index_urls",
    "lock_file",
    "allow_source_builds",
    "auto_update",
    "share_torch",
    "call_timeout",
    "start_timeout",
    "stop_timeout",
    "kill_on_timeout",
)


def find_uv():
    """The uv that was installed with this package into a virtual environment, if it is there."""
    if sys.prefix == sys.base_prefix or os.environ.get("PYISOLATE_UV"):
        return None
    path = os.path.join(sys.prefix, "bin", "uv")
    return path if os.access(path, os.X_OK) else None


def make(config):
    """A PyIsolate.ExtensionConfig, still without its apis."""
    from gi.repository import PyIsolate

    gconfig = PyIsolate.ExtensionConfig.new(
        _text("name", config.name), os.path.abspath(config.module_path)
    )
    props = gconfig.props
    props.isolated = bool(config.isolated)
    props.dependencies = _strings("dependencies", config.dependencies)
    props.find_links = _strings("find_links", config.find_links)
    props.extra_index_urls = _strings("extra_index_urls", config.extra_index_urls)
    props.source_paths = [
        os.path.abspath(path) for path in _strings("source_paths", config.source_paths)
    ]
    props.environment_variables = _variables(config.env)
    for key in ("python", "index_url"):
        if config[key] is not None:
            gconfig.set_property(key.replace("_", "-"), _text(key, os.fspath(config[key])))
    for key in ("environment", "lock_file"):
        if config[key] is not None:
            path = os.path.abspath(config[key])
            gconfig.set_property(key.replace("_", "-"), _text(key, path))
    for key in ("allow_source_builds", "auto_update", "kill_on_timeout", "share_torch"):
        gconfig.set_property(key.replace("_", "-"), bool(config[key]))
    for key in ("call_timeout", "start_timeout", "stop_timeout"):
        gconfig.set_property(key.replace("_", "-"), _milliseconds(key, config[key]))
    if config.shared_memory_limit is not None:
        props.shared_memory_limit = _size("shared_memory_limit", config.shared_memory_limit)
    return gconfig


def _milliseconds(key, seconds):
    if seconds is None:
        return -1
    if isinstance(seconds, str) or not seconds >= 0:  # a NaN is not, either
        raise TypeError(
            f"{key!r} of an ExtensionConfig is a number of seconds, or None: no limit; "
            f"not {seconds!r}"
        )
    return int(min(seconds * 1000, 9e15))


def count(key, value):
    """How many may run at once; C has no more than these."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 32:
        raise TypeError(f"{key!r} of an ExtensionManagerConfig is a number above 0, not {value!r}")
    return value


def _text(key, value):
    # For C it would end there.
    if "\0" in value:
        from ._host_errors import bad_config

        raise bad_config(f"{key!r} of the configuration has a NUL character in it: {value!r}")
    return value


def _variables(env):
    if not all(isinstance(text, str) for item in env.items() for text in item):
        raise TypeError(f"'env' of an ExtensionConfig maps strings to strings, not {env!r}")
    for key in env:
        if "=" in key:
            from ._host_errors import bad_config

            raise bad_config(f"The environment variable {key!r} has an equals sign in its name")
    return [_text("env", f"{key}={value}") for key, value in env.items()]


def _size(key, value):
    # 0 is the property's own word for a default.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 64:
        raise TypeError(f"{key!r} of an ExtensionConfig is a number of bytes, not {value!r}")
    return value


def _strings(key, values):
    if isinstance(values, (str, bytes)) or not all(
        isinstance(value, (str, os.PathLike)) for value in values
    ):
        raise TypeError(f"{key!r} of an ExtensionConfig is a list of strings, not {values!r}")
    return [_text(key, os.fspath(value)) for value in values]


def name_of_program():
    """What runs: the module of `python -m`, or the script; None: neither."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return spec.name.removesuffix(".__main__")
    path = pathlib.Path(sys.argv[0] if sys.argv else "")
    name = path.resolve().parent.name if path.name == "__main__.py" else path.stem
    return None if path.name in ("", "-c") else name
