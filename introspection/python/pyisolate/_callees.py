# SPDX-License-Identifier: MIT
"""Objects that the host registers with an extension, and those that the extension has for it."""

from . import _host_errors, _objects, _singleton


class HostObjects:
    """What an extension calls to reach the objects that are registered with it."""

    def call(self, object_id, name, args, kwargs):
        registered = _singleton.current_caller()._registered
        return _objects.find_method(registered, object_id, name)(*args, **kwargs)


def create_caller(extension, object_type, object_id, timeout):
    def none():
        return LookupError(
            f"No object is registered as {object_id!r}: the extension {extension.name!r} has none"
        )

    async def call(arguments):
        try:
            return await extension._call(_objects.CALL, arguments, {}, timeout)
        except _host_errors.NoSuchMethodError:
            raise none() from None

    def call_sync(arguments):
        try:
            return extension._call_sync(_objects.CALL, arguments, {}, timeout)
        except _host_errors.NoSuchMethodError:
            raise none() from None

    return _objects.Caller(call, call_sync, object_type, object_id)
