# SPDX-License-Identifier: MIT
"""The manager: loads extensions, and keeps them."""

import asyncio
import concurrent.futures
import contextvars
import importlib.util
import os
import sys
import threading
import weakref

import _pyisolate_host as native
import gi

from . import (
    _alone,
    _bridge,
    _callees,
    _config,
    _events,
    _host_errors,
    _local_extension,
    _logging,
    _objects,
    _singleton,
)
from ._config import ExtensionConfig, ExtensionManagerConfig, SandboxMode
from ._extension import Extension, Pending
from ._local_extension import LocalExtension
from ._progress import Progress, Reporter

gi.require_version("PyIsolate", "1")
from gi.repository import Gio, GLib, PyIsolate  # noqa: E402

FINAL = ("stopped", "failed")


def _forget(key, gmanager, numbers, here):
    """The manager is gone: so are its extensions."""
    if native.is_forked():
        return  # they are the parent's
    home = _bridge.home()
    home.managers.pop(key, None)
    _singleton.forget(numbers)
    for local in here:
        local.stop(concurrent.futures.Future())

    def kill():
        for gextension in list(gmanager):
            gextension.kill()

    home.context.invoke(kill)


class ExtensionManager:
    """Loads extensions, each into its own process and environment.

    `extension_type` is the class that the extensions derive from; `config` says where their
    environments are made.
    """

    def __init__(self, extension_type=None, config=None):
        if config is None:
            config = ExtensionManagerConfig()
        elif not isinstance(config, ExtensionManagerConfig):
            config = ExtensionManagerConfig(config)
        self.extension_type = extension_type
        self.config = config
        self._extensions = {}
        self._loaded = {}  # as long as they run, also while they are being stopped
        self._gextensions = {}
        self._singletons = {}
        self._numbers = []
        self._here = []  # a Local for each extension in this process
        self._reporter = Reporter(config.show_progress)
        self._pool = None
        self._lock = threading.RLock()
        self._bridge = None
        self._context = contextvars.copy_context()
        self._adopt_loop()
        home = _bridge.home()
        self._gmanager = home.run(lambda: self._make_gmanager(config))
        home.managers[id(self)] = self._gmanager
        weakref.finalize(
            self, _forget, id(self), self._gmanager, self._numbers, self._here
        ).atexit = False

    def _make_gmanager(self, config):
        root = config.venv_root_path
        properties = {"venv_root": None if root is None else os.path.abspath(root)}
        if config.application_id is not None:
            properties["application_id"] = config.application_id
        elif Gio.Application.get_default() is None and GLib.get_prgname() is None:
            properties["application_id"] = _config.name_of_program()
        gmanager = PyIsolate.ExtensionManager(**properties)
        gmanager.props.python = config.python or getattr(sys, "_base_executable", sys.executable)
        if config.torch_environment is not None:
            gmanager.props.torch_environment = os.path.abspath(config.torch_environment)
        uv_path = _config.find_uv() if config.uv_path is None else config.uv_path
        if uv_path is not None:
            gmanager.props.uv_path = os.path.abspath(uv_path)
        for key in ("max_parallel_installs", "max_parallel_starts"):
            gmanager.set_property(key.replace("_", "-"), _config.count(key, config[key]))
        this = weakref.ref(self)
        self._serve_objects(gmanager, this)
        gmanager.connect("extension-added", _on_added, this)
        gmanager.connect("load-progress", _on_progress, this)
        return gmanager

    def _serve_objects(self, gmanager, this):
        number = _singleton.serve(_callees.HostObjects(), this)
        self._numbers.append(number)
        context = _bridge.home().context
        methods = {"call": {"doc": "Call an object that is registered with the extension."}}
        native.add_singleton(context, gmanager, _objects.HOST_OBJECTS, {"methods": methods}, number)

    # ---- loops ----

    def _adopt_loop(self):
        """What no call led to runs on the loop that used the manager first, or after that ended."""
        loop = asyncio._get_running_loop()
        if loop is None or _alone.has_loop(loop):
            return
        mine = self._bridge
        if mine is None or mine.closed:
            self._bridge = _bridge.current()
            self._context = contextvars.copy_context()

    def _run_in_thread(self, function):
        """For a host without event loops: what no call led to runs in one thread, in order. False:
        Python is ending, and starts nothing any more."""
        with self._lock:
            if self._pool is None:
                self._pool = concurrent.futures.ThreadPoolExecutor(1, "pyisolate-singletons")
        try:
            future = self._pool.submit(function)
        except RuntimeError:
            return False
        future.add_done_callback(_log_failure)
        return True

    # ---- loading ----

    def load_extension(self, config):
        """Check the configuration, and return the extension at once.

        It is loaded when it is used first, or by `await manager.load_extension(…)`.
        """
        if not isinstance(config, ExtensionConfig):
            config = ExtensionConfig(config)
        self._check(config)
        before = self._extensions.get(config.name)
        if before is not None and not before._ended and before.state not in FINAL:
            raise _host_errors.bad_config(
                f"There is an extension {config.name!r} already; stop it first"
            )
        self._adopt_loop()
        if config.isolated:
            extension = Extension(self, config.copy())
            extension._gconfig = self._make_gconfig(config)
        else:
            extension = self._make_local(config.copy())
        self._extensions[config.name] = extension
        return extension

    def _make_local(self, config):
        _local_extension.check(config)
        checked = config.copy()
        checked.isolated = True
        self._make_gconfig(checked)
        names = self._offer_all(config.apis)
        missing = [name for name in names if name not in self._singletons]
        if missing:
            raise _host_errors.bad_config(
                f"The extension {config.name!r} lists {missing[0]!r} among its apis, but the "
                "manager has no singleton of that name"
            )
        extension = LocalExtension(self, config, [self._singletons[name] for name in names])
        self._here[:] = [local for local in self._here if local.state not in FINAL]
        self._here.append(extension._local)
        return extension

    def _check(self, config):
        mode = SandboxMode.DISABLED if config.sandbox_mode is None else config.sandbox_mode
        if SandboxMode(mode) is not SandboxMode.DISABLED or config.sandbox:
            raise _host_errors.SandboxUnavailableError(
                _host_errors.DOMAIN,
                _host_errors.SANDBOX_UNAVAILABLE,
                f"The extension {config.name!r} asks for a sandbox, and this version has none: "
                "only SandboxMode.DISABLED is possible",
            )
        if config.share_cuda_ipc:
            raise _host_errors.bad_config(
                f"'share_cuda_ipc' of the extension {config.name!r}: this version shares no memory "
                "of GPUs"
            )
        if config.share_torch:
            self._find_torch(config)
        if not isinstance(config.name, str):
            raise TypeError(f"The name of an extension is a string, not {config.name!r}")

    def _find_torch(self, config):
        """Have the manager know whose torch to share: the one that `import torch` would give."""
        if self._gmanager.props.torch_environment is not None:
            return
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            raise _host_errors.bad_config(
                f"The extension {config.name!r} shares the host's torch, and this Python has none"
            )
        site = os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))
        gmanager = self._gmanager
        _bridge.home().run(lambda: gmanager.set_property("torch-environment", site))

    def _make_gconfig(self, config):
        gconfig = _config.make(config)
        try:
            gconfig.validate()
        except GLib.Error as error:
            raise _host_errors.of_glib(error) from None
        gconfig.props.apis = [*self._offer_all(config.apis), _objects.HOST_OBJECTS]
        return gconfig

    def _offer_all(self, apis):
        names = []
        for api in apis:
            if isinstance(api, str):
                names.append(api)
                continue
            instance = api() if isinstance(api, type) else api
            if not isinstance(instance, _singleton.ProxiedSingleton):
                raise TypeError(
                    "`apis` lists classes derived from pyisolate.ProxiedSingleton, "
                    f"and {api!r} is not one"
                )
            self._offer(instance, names)
        return sorted(set(names))

    def _offer(self, instance, names):
        name = _singleton.name_of(type(instance))
        if name in names:
            return
        names.append(name)
        with self._lock:
            known = self._singletons.get(name)
            if known is None:
                self._singletons[name] = instance
                self._add_singleton(name, instance)
            elif known is not instance:
                raise ValueError(f"The manager has another object for {name!r} already")
        for nested in _singleton.nested_of(instance).values():
            self._offer(nested, names)

    def _add_singleton(self, name, instance):
        home = _bridge.home()
        number = _singleton.serve(instance, weakref.ref(self))
        self._numbers.append(number)
        description = _singleton.describe(instance)
        gmanager = self._gmanager
        home.run(lambda: native.add_singleton(home.context, gmanager, name, description, number))

    def _start_loading(self, extension):
        gmanager, gconfig = self._gmanager, extension._gconfig

        def start(future):
            self._reporter.begin(extension.name)

            def done(source, result):
                self._reporter.end(extension.name, gmanager.props.progress)
                try:
                    gextension = gmanager.load_extension_finish(result)
                    extension._set_loaded(gextension)
                except GLib.Error as error:
                    future.set_exception(self._load_error(extension.name, error))
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(None)

            def load():
                self._loaded[extension.name] = extension
                gmanager.load_extension_async(gconfig, None, done)

            _when_ended(gmanager.get_extension(extension.name), load)

        return _bridge.home().start(start)

    def _load_error(self, name, error):
        gextension = self._find(name)
        described = None if gextension is None else native.describe_last_error(gextension)
        return _host_errors.of_load(error, described)

    async def load_all(self, configs):
        """Load many at once. The result tells which failed and why, while the others run."""
        extensions = {}
        failed = {}
        for config in configs:
            try:
                extension = self.load_extension(config)
                extensions[extension.name] = extension
            except (_host_errors.Error, TypeError, ValueError) as error:
                failed[config.get("name")] = error
        outcomes = await asyncio.gather(
            *(extension._ensure_loaded() for extension in extensions.values()),
            return_exceptions=True,
        )
        for (name, _), outcome in zip(list(extensions.items()), outcomes):
            if isinstance(outcome, BaseException):
                failed[name] = outcome
                del extensions[name]
        return LoadResult(extensions, failed)

    # ---- what there is ----

    @property
    def extensions(self):
        """The extensions by their names."""
        return dict(self._extensions)

    def _find(self, name):
        """From any thread: the library's own list is the home thread's."""
        return self._gextensions.get(name)

    def on_progress(self, handler):
        """Have handler(Progress) called, in a thread of the library's, while extensions load."""
        self._reporter.handlers.append(handler)

    @property
    def progress(self):
        """How far all that is being loaded is, from 0 to 1."""
        return self._reporter.overall

    # ---- stopping ----

    def stop_extension(self, name, extension=None):
        """Stop it, and forget it. Without a running loop this waits until it has stopped."""
        if extension is None:
            extension = self._extensions.get(name)
        if extension is None:
            raise KeyError(f"There is no extension {name!r}")
        extension._set_stopped()
        if self._extensions.get(name) is extension:
            del self._extensions[name]

        return self._stopping([extension])

    def stop_all_extensions(self):
        """Stop all. Without a running loop this waits until they have stopped."""
        extensions = list(self._extensions.values())
        self._extensions.clear()
        for extension in extensions:
            extension._set_stopped()
        gmanager = self._gmanager

        def stop_isolated(future):
            gmanager.stop_all_async(None, _bridge.settle(future, gmanager.stop_all_finish))

        return self._stopping(extensions, stop_isolated)

    def _stopping(self, extensions, stop_isolated=None):
        """Where Python ends, those that have processes have none any more."""
        here = [one for one in extensions if isinstance(one, LocalExtension)]
        others = [one._begin_stopping for one in extensions if one not in here]
        if stop_isolated is not None:
            others = [stop_isolated]
        if _bridge.home().ending:
            others = []
        this = weakref.ref(self)
        stopping = [weakref.ref(one) for one in extensions]

        def stopped(_):
            manager = this()
            loaded = {} if manager is None else manager._loaded
            for name, extension in list(loaded.items()):
                if weakref.ref(extension) in stopping:
                    del loaded[name]

        return self._pending(others, [one._begin_stopping for one in here], stopped)

    def _pending(self, starts, here=(), done=None):
        """Of what begins in the home, and of what does in any thread."""
        self._adopt_loop()
        futures = [_bridge.home().start(start) for start in starts]
        future = _bridge.all_of([*futures, *map(_bridge.begin, here)])
        if done is not None:
            future.add_done_callback(done)
        if asyncio._get_running_loop() is None and not _bridge.home().is_here():
            _bridge.wait_for(future)
        return Pending(future)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        await self.stop_all_extensions()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop_all_extensions()


class LoadResult(dict):
    """The extensions that run, by name; `failed` has the exceptions of the others."""

    def __init__(self, extensions, failed):
        super().__init__(extensions)
        self.failed = failed


def _log_failure(future):
    error = None if future.cancelled() else future.exception()
    if error is not None:
        _logging.own.error("What no call led to has failed", exc_info=error)


def _when_ended(gextension, function):
    """Call it now, or when the one that had the name before has ended, which is under way."""
    if gextension is None or gextension.props.state.value_nick in FINAL:
        function()
        return

    def on_state(gextension, _):
        if gextension.props.state.value_nick in FINAL:
            gextension.disconnect(number)
            function()

    number = gextension.connect("notify::state", on_state)


def _on_added(gmanager, gextension, this):
    manager = this()
    if manager is not None:
        manager._gextensions[gextension.props.name] = gextension
    gextension.connect("log", _logging.on_log)
    gextension.connect("event", _events.on_event, this)


def _on_progress(gmanager, gextension, stage, fraction, text, this):
    manager = this()
    if manager is not None:
        name, overall = gextension.props.name, gmanager.props.progress
        manager._reporter.tell(Progress(name, stage.value_nick, fraction, text, overall))
