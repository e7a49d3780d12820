# SPDX-License-Identifier: MIT
"""What every worker in Python offers, to whoever calls it: the same functions for all peers."""

import time


def echo(value):
    return value


def first_last(array):
    flat = array.reshape(-1)
    return [float(flat[0]), float(flat[-1])]


def length(array):
    return array.shape[0]


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def timed(call, seconds, most):
    """Nanoseconds of each of at most `most` calls, for about `seconds`."""
    clock = time.perf_counter_ns
    samples = []
    now = clock()
    end = now + int(seconds * 1e9)
    while now < end and len(samples) < most:
        begin = clock()
        call()
        now = clock()
        samples.append(now - begin)
    return samples


FUNCTIONS = {"echo": echo, "first_last": first_last, "length": length, "sleep": sleep}
