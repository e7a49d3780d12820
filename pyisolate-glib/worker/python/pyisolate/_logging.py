# SPDX-License-Identifier: MIT
"""Records of the logging module go to the host as what they are."""

import sys

import _pyisolate_native as native


class _Watch:
    """Stands first among the finders until logging is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _install_after(spec.loader)
                return spec
        return None


def watch():
    """Do it now, or when the time comes."""
    if "logging" in sys.modules:
        _install(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, _Watch())


def _install_after(loader):
    execute = loader.exec_module

    def exec_module(module):
        del loader.exec_module
        execute(module)
        _install(module)

    loader.exec_module = exec_module


def _install(logging):
    class LinkHandler(logging.Handler):
        """Sends records to the host; a forked child has none, there they go to stderr."""

        def emit(self, record):
            try:
                message = self.format(record)
                if not native.log(record.levelno, record.name, message):
                    logging.lastResort.handle(record)
            except RecursionError:
                raise
            except Exception:
                self.handleError(record)

    handler = LinkHandler()
    logging.root.addHandler(handler)
    _wrap_basic_config(logging, handler)


def _wrap_basic_config(logging, handler):
    """basicConfig() does nothing where there is a handler; it is to set its level all the same."""
    original = logging.basicConfig

    def basicConfig(**kwargs):
        root = logging.root
        ours = handler in root.handlers
        root.removeHandler(handler)
        before = list(root.handlers)
        try:
            original(**kwargs)
        finally:
            if ours:
                root.addHandler(handler)
        if ours and not kwargs.keys() & {"stream", "filename", "handlers"}:
            # Its default, the text on stderr, is what our handler stands for.
            for other in [other for other in root.handlers if other not in before]:
                if other is not handler:
                    root.removeHandler(other)

    basicConfig.__doc__ = original.__doc__
    basicConfig.__module__ = original.__module__
    basicConfig.__qualname__ = original.__qualname__
    logging.basicConfig = basicConfig
