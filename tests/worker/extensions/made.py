# SPDX-License-Identifier: MIT
"""What functools makes of its functions is its own; of others' it is not."""

import functools
import operator


def add(a, b, c=0):
    return a + b + c


add_one = functools.partial(add, 1)
add_two = functools.partial(add_one, c=1)
negate = functools.partial(operator.neg)
