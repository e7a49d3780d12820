# SPDX-License-Identifier: MIT
"""The life of a worker: hello, load, ready, serve, stop."""

import os
import sys
from _signal import signal

import _pyisolate_native as native

from . import _contents, _describe, _dispatch, _loader, _logging, _settings
from ._calls import call_sync

HOST = "org.pyisolate.Host"
PROTOCOL = 1

# What runs when the extension is stopped is cancelled, and may take so long to end.
END_SECONDS = 1.0


def main(lane_fd):
    """Serve the host at the other end of the link that was begun; returns when Python is to end."""
    sys.stdout.reconfigure(line_buffering=True)
    worker = Worker(native.connect(-1 if lane_fd is None else lane_fd))
    signal(native.SIGNAL, native.on_signal)
    sys.unraisablehook = _on_unraisable
    settings = worker.hello(lanes=lane_fd is not None)
    if not worker.load(settings):
        leave(1)
    stop = worker.serve()
    if stop is None:
        leave(1)
    worker.finish(stop)


def _on_unraisable(unraisable):
    """Python drops what is raised in a finalizer; a def whose cancellation was is told again."""
    if unraisable.exc_type is not native.CallCancelled or not native.tell_again():
        sys.__unraisablehook__(unraisable)


def leave(code):
    """Without waiting for anything of the extension's."""
    from . import _forked

    native.leave()
    native.flush()
    _forked.flush()
    os._exit(code)


def prepare_spawned_child():
    """A child of multiprocessing's finds the extension's module, and no host."""
    module = _settings.adopt_as_child()
    if module is not None:
        _loader.make_findable(*module)


class Worker:
    def __init__(self, inbox):
        self.inbox = inbox
        self.loop = None
        self.loaded = None
        _dispatch.get_loop = self._get_loop

    def hello(self, lanes):
        about = {
            "protocol": PROTOCOL,
            "build": native.BUILD_ID,
            "python": ".".join(map(str, sys.version_info[:3])),
            "pid": os.getpid(),
        }
        if lanes:
            about["lanes"] = 1
        settings = call_sync(HOST, "Hello", (), about)
        native.set_link_number(settings["link"])
        _settings.adopt(
            settings["name"],
            settings["state_directory"],
            settings["apis"],
            settings["source_paths"],
        )
        return settings

    def load(self, settings):
        """Whether the extension is ready; else the host knows why."""
        sys.path.extend(settings["source_paths"])
        _logging.watch()
        self._warn_of_namesake()
        try:
            self.loaded = _loader.load(settings, self._run)
            described = self._describe()
        except _contents.LoadError as failure:
            from . import _errors

            call_sync(
                HOST,
                "LoadFailed",
                (),
                {"stage": failure.stage, "exception": _errors.describe(failure.error)},
            )
            return False
        self._open()
        call_sync(HOST, "Ready", (), {"methods": described})
        return True

    def _warn_of_namesake(self):
        namesake = _contents.PathFinder.find_spec("pyisolate")
        if namesake is not None:
            native.log(
                30,
                "pyisolate",
                "A dependency is called pyisolate too "
                f"({namesake.origin or 'a namespace package'}); "
                "in an extension that name is the runtime's",
            )

    def _describe(self):
        try:
            return [_describe.describe(method) for method in self.loaded.methods]
        except BaseException as error:
            raise _contents.LoadError("describe", error) from None

    def _open(self):
        homes = {method.home for method in self.loaded.methods}
        if native.LOOP in homes:
            self._get_loop()
        if native.SECOND in homes or native.POOL in homes:
            from . import _threads

            if native.SECOND in homes:
                _threads.start_second()
            if native.POOL in homes:
                _threads.start_pool()
        _dispatch.open_for_calls(self.loaded.methods)

    def _get_loop(self):
        if self.loop is None:
            from ._asyncio import MainLoop

            self.loop = MainLoop(self.inbox)
        return self.loop

    def _run(self, awaitable):
        return self._get_loop().run(_awaiting(awaitable))

    def serve(self):
        """Until the host wants the extension to stop: that call, or None at the link's end."""
        while native.stop() is None:
            if self.loop is not None:  # perhaps since the last call
                return self.loop.serve()
            try:
                self.inbox.serve()
            except EOFError:
                return None
            except BaseException as error:  # from a signal handler of the extension's own
                _dispatch.report(error)
        return native.stop()

    def finish(self, stop):
        """The calls were cancelled when the host's wish arrived; now the extension's own end."""
        if self.loop is not None:
            self.loop.end_calls(END_SECONDS)
        native.wait_idle(END_SECONDS)
        try:
            if self.loaded.instance is not None:
                _contents.run_hook(self._run, self.loaded.instance.stop)
        except BaseException as error:
            self._log_failed_stop(error)
            _dispatch.answer_exception(stop, error)
        else:
            _dispatch.answer(stop, None)
        native.leave()
        native.flush()
        if self.loop is not None:
            self.loop.close(END_SECONDS)

    def _log_failed_stop(self, error):
        """A host that stops an extension is told that it has stopped, however that went."""
        from . import _errors

        text = _errors.format_traceback(error).rstrip("\n")
        native.log(40, "pyisolate", f"stop() of the extension raised:\n{text}")


async def _awaiting(awaitable):
    return await awaitable
