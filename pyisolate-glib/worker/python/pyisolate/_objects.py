# SPDX-License-Identifier: MIT
"""Objects that one side registers under an id, for the other to call. A host has this file too."""

# The host's are reached by this singleton of its, an extension's by this method, listed nowhere.
HOST_OBJECTS = "pyisolate.objects"
CALL = "_pyisolate_call_object"


def register(objects, instance, object_id):
    if not isinstance(object_id, str):
        raise TypeError(f"The id of an object is a string, not {object_id!r}")
    if object_id in objects:
        raise ValueError(f"There is an object {object_id!r} already")
    objects[object_id] = instance


def find_method(objects, object_id, name):
    if object_id not in objects:
        known = ", ".join(map(repr, objects)) or "none"
        raise LookupError(f"No object is registered as {object_id!r}; there are: {known}")
    method = None if name.startswith("_") else getattr(objects[object_id], name, None)
    if not callable(method):
        raise AttributeError(f"The object {object_id!r} has no method {name!r}")
    return method


class Caller:
    """`await caller.method()`, or `caller.sync.method()`, of an object of the other side's.

    call(arguments) and call_sync(arguments) do it; what methods there are `object_type` says, or,
    if it is None, the call.
    """

    def __init__(self, call, call_sync, object_type, object_id):
        self._pyisolate = call, call_sync, object_type, object_id

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def _pyisolate_check(self, name):
        _, _, object_type, object_id = self._pyisolate
        known = object_type is None or callable(getattr(object_type, name, None))
        if name.startswith("_") or not known:
            raise AttributeError(f"The object {object_id!r} has no method {name!r}")

    def __getattr__(self, name):
        self._pyisolate_check(name)
        call, _, _, object_id = self._pyisolate

        async def method(*args, **kwargs):
            return await call((object_id, name, args, kwargs))

        return method

    @property
    def sync(self):
        return _SyncCaller(*self._pyisolate)

    def __repr__(self):
        return f"<caller of {self._pyisolate[3]!r}>"


class _SyncCaller(Caller):
    def __getattr__(self, name):
        self._pyisolate_check(name)
        _, call_sync, _, object_id = self._pyisolate

        def method(*args, **kwargs):
            return call_sync((object_id, name, args, kwargs))

        return method
