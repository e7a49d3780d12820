# SPDX-License-Identifier: MIT
"""Arrays of a size: what is in them differs from place to place, so that a wrong offset shows."""

import math


def shape_of(n_bytes, dtype):
    size = {"float32": 4, "uint8": 1}[dtype]
    return (n_bytes // size,)


def numpy_array(shape, dtype):
    import numpy

    array = numpy.empty(shape, dtype)
    _fill(array, numpy)
    return array


def torch_tensor(shape, dtype):
    import torch

    tensor = torch.empty(shape, dtype=getattr(torch, dtype))
    import numpy

    _fill(tensor.numpy(), numpy)
    return tensor


def cuda_tensor(shape, dtype):
    return torch_tensor(shape, dtype).cuda()


def _fill(array, numpy):
    """Every page is touched; elements are whole numbers below 251, exact in any type."""
    flat = array.reshape(-1)
    step = 1 << 20
    pattern = (numpy.arange(min(step, flat.size)) % 251).astype(array.dtype)
    for start in range(0, flat.size, step):
        part = flat[start : start + step]
        part[:] = pattern[: part.size]
        part[0] = start // step % 251


def mark(array):
    """Other numbers than before at both ends, so that it shows who looks at an old copy."""
    flat = array.reshape(-1)
    for at in (0, -1):
        flat[at] = (float(flat[at]) + 1) % 251


def first_last(array):
    """What the receiver sends back: that it has all of it costs two elements, whatever the size."""
    flat = array.reshape(-1)
    return [float(flat[0]), float(flat[-1])]


def same(a, b):
    """Equal in type, shape, elements; without a third copy of large ones."""
    if type(a) is not type(b) or tuple(a.shape) != tuple(b.shape) or a.dtype != b.dtype:
        return False
    a, b = a.reshape(-1), b.reshape(-1)
    step = 1 << 24
    return all(
        bool((a[start : start + step] == b[start : start + step]).all())
        for start in range(0, math.prod(a.shape), step)
    )
