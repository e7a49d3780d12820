# SPDX-License-Identifier: MIT
"""Proxies of the host's singletons."""

from . import _calls

apis: dict = {}
"""Name of a singleton → its methods (name → {"signature", "doc"}), or None where any may be one."""

aliases: dict = {}
"""Bare name of a host's class → name of its singleton."""


class _Methods:
    """What both ways of calling share: which names there are."""

    __slots__ = ("_pyisolate_name",)

    def __init__(self, name):
        self._pyisolate_name = name

    def _pyisolate_check(self, method):
        known = apis.get(self._pyisolate_name)
        if method.startswith("__") or (known is not None and method not in known):
            from ._dispatch import no_such_name

            what = f"method of the singleton {self._pyisolate_name!r} named"
            raise AttributeError(no_such_name(what, method, known or ()))

    def _pyisolate_finish(self, function, method):
        about = (apis.get(self._pyisolate_name) or {}).get(method, {})
        function.__name__ = method
        function.__qualname__ = f"{self._pyisolate_name}.{method}"
        function.__doc__ = about.get("doc") or None
        self.__dict__[method] = function  # found there the next time
        return function

    def __reduce__(self):
        """For copy and pickle, also of children: a name says all."""
        return type(self)._pyisolate_again, (self._pyisolate_name,)

    def __dir__(self):
        return sorted({*super().__dir__(), *(apis.get(self._pyisolate_name) or ())})

    def __repr__(self):
        return f"<{type(self).__name__} of {self._pyisolate_name!r}>"


class SyncProxy(_Methods):
    """`proxy.sync`: its methods wait for the answer."""

    def __getattr__(self, method):
        self._pyisolate_check(method)
        name = self._pyisolate_name

        def call(*args, **kwargs):
            return _calls.call_sync(name, method, args, kwargs)

        return self._pyisolate_finish(call, method)

    @staticmethod
    def _pyisolate_again(name):
        return singleton(name).sync


class Proxy(_Methods):
    """Stands for a singleton of the host: `await proxy.method()`, or `proxy.sync.method()`."""

    def __init__(self, name):
        super().__init__(name)
        self.sync = SyncProxy(name)

    def __getattr__(self, method):
        self._pyisolate_check(method)
        name, call_async = self._pyisolate_name, _calls.call_async

        async def call(*args, **kwargs):
            return await call_async(name, method, args, kwargs)

        return self._pyisolate_finish(call, method)

    @staticmethod
    def _pyisolate_again(name):
        return singleton(name)


def singleton(name: str) -> Proxy:
    """The host's singleton of this name, if the extension's `apis` list it."""
    name = aliases.get(name, name)
    if name not in apis:
        raise LookupError(
            f"There is no singleton {name!r} for this extension: the host must add it "
            "to its manager, and list its name in the extension's `apis`"
        )
    return Proxy(name)
