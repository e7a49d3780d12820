# SPDX-License-Identifier: MIT
"""options(readonly=True) for an extension with isolated=False: what it gets for the host's memory.

That is what a worker gets: copies, of which those are read-only that can be; an array that lies in
read-only shared memory is passed by reference.
"""

import copy
import dataclasses
import sys

from _pyisolate_host import Tensor, is_shared, share


def guard(args, kwargs):
    """Both, with nothing in them by which the host's arrays can be written to."""
    memo = {}
    return _guard(args, memo), _guard(kwargs, memo)


def _guard(value, memo):
    if isinstance(value, _PLAIN):
        return value
    known = memo.get(id(value))
    if known is not None:
        return known[0]
    make = _maker_of(value)
    if make is None:
        return value
    result = make(value, memo)
    return memo.setdefault(id(value), (result, value))[0]  # which keeps the id taken


_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def _maker_of(value):
    """What makes the extension's own of it, if that is needed."""
    make = _MAKERS.get(type(value))
    if make is not None:
        return make
    if isinstance(value, _class_if_imported("numpy", "ndarray")):
        return _numpy_array
    if isinstance(value, _class_if_imported("torch", "Tensor")):
        return _torch_tensor
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass
    return None


def _class_if_imported(module, name):
    return getattr(sys.modules.get(module), name, ())


def _numpy_array(array, memo):
    try:
        shared = is_shared(array)
    except TypeError:  # of a dtype that cannot be shared
        shared = False
    # What is shared read-only already is only looked into once more.
    own = share(array, readonly=True).view() if shared else array.copy(order="K")
    own.flags.writeable = False
    return own


def _torch_tensor(tensor, memo):
    """torch has no read-only tensors."""
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _tensor(tensor, memo):
    return share(tensor, readonly=True)


def _memoryview(view, memo):
    """A copy may be written to if the view may be."""
    data = view.tobytes() if view.readonly else bytearray(view.tobytes())
    try:
        return memoryview(data).cast(view.format, view.shape)
    except (TypeError, ValueError):  # cast() knows neither all formats nor empty shapes
        return view.toreadonly()


def _bytearray(data, memo):
    return bytearray(data)


def _list(items, memo):
    result = []
    memo[id(items)] = result, items  # it may be in itself
    result.extend(_guard(item, memo) for item in items)
    return result


def _tuple(items, memo):
    return tuple(_guard(item, memo) for item in items)


def _dict(items, memo):
    result = {}
    memo[id(items)] = result, items
    for key, value in items.items():
        result[_guard(key, memo)] = _guard(value, memo)
    return result


def _set(items, memo):
    return type(items)(_guard(item, memo) for item in items)


def _dataclass(instance, memo):
    result = copy.copy(instance)
    memo[id(instance)] = result, instance
    for field in dataclasses.fields(instance):
        if hasattr(instance, field.name):
            guarded = _guard(getattr(instance, field.name), memo)
            object.__setattr__(result, field.name, guarded)  # a frozen one, too
    return result


_MAKERS = {
    Tensor: _tensor,
    bytearray: _bytearray,
    dict: _dict,
    frozenset: _set,
    list: _list,
    memoryview: _memoryview,
    set: _set,
    tuple: _tuple,
}
