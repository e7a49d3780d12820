# SPDX-License-Identifier: MIT
"""Objects that the extension registers for its host, and those that the host has for it.

Imported when the first one is needed.
"""

from . import _calls, _dispatch, _objects, _shared

_registered: dict = {}


def register(instance, object_id):
    _objects.register(_registered, instance, object_id)
    if _objects.CALL not in _dispatch.methods:
        _dispatch.get_loop()
        method = _dispatch.Method(_objects.CALL, _call, "coroutine")
        _dispatch.methods[_objects.CALL] = method


async def _call(object_id, name, args, kwargs):
    result = _objects.find_method(_registered, object_id, name)(*args, **kwargs)
    return await result if hasattr(result, "__await__") else result


async def _call_host(arguments):
    return await _calls.call_async(_objects.HOST_OBJECTS, "call", arguments, {})


def _call_host_sync(arguments):
    return _calls.call_sync(_objects.HOST_OBJECTS, "call", arguments)


def create_caller(object_type, object_id):
    return _objects.Caller(_call_host, _call_host_sync, object_type, object_id)


def use_remote(cls):
    if not issubclass(cls, _shared.ProxiedSingleton):
        raise TypeError(f"{cls.__qualname__} is not derived from pyisolate.ProxiedSingleton")
    _shared.use(cls, lambda: create_caller(None, cls.__name__))
