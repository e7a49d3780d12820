# SPDX-License-Identifier: MIT
"""A class with hooks."""

import atexit

import pyisolate

seen = []
atexit.register(print, "at exit")


class Hooked(pyisolate.ExtensionBase):
    """The extension."""

    def __init__(self):
        seen.append("init")

    def before_module_loaded(self):
        seen.append("before " + pyisolate.singleton("host").sync.echo("asked"))

    def on_module_loaded(self, module):
        seen.append(f"on {module.__name__}")

    def stop(self):
        print("stop", pyisolate.singleton("host").sync.echo("asked"))
        self.emit_event("stopping")

    def get_seen(self):
        """What ran.

        In order.
        """
        return seen

    def tell(self):
        self.emit_event("told", 1)

    @staticmethod
    def static(a, b=1):
        return a + b

    @classmethod
    def of_class(cls, a):
        return [cls.__name__, a]

    @property
    def size(self):
        raise RuntimeError("a property is no method")

    def _hidden(self):
        pass
