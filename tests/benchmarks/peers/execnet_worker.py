# SPDX-License-Identifier: MIT
"""Sent to the other interpreter as text by execnet: it must stand alone."""

import time


def first_last(described):
    import numpy

    dtype, shape, data = described
    flat = numpy.frombuffer(data, dtype).reshape(shape).reshape(-1)
    return [float(flat[0]), float(flat[-1])]


def bounce(channel, seconds, most):
    clock = time.perf_counter_ns
    samples = []
    now = clock()
    end = now + int(seconds * 1e9)
    while now < end and len(samples) < most:
        begin = clock()
        channel.send(1)
        channel.receive()
        now = clock()
        samples.append(now - begin)
    return samples


def serve(channel):
    for name, arguments in channel:
        if name == "echo":
            channel.send(arguments[0])
        elif name == "first_last":
            channel.send(first_last(*arguments))
        elif name == "sleep":
            time.sleep(*arguments)
            channel.send(arguments[0])
        elif name == "bounce":
            channel.send(bounce(channel, *arguments))


if __name__ == "__channelexec__":
    serve(channel)  # noqa: F821
