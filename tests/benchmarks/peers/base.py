# SPDX-License-Identifier: MIT
"""What a peer is to the benchmark: a worker, and ways to call it.

An adapter says how one peer calls a function of its worker; the rest follows. Where a peer has a
better way for a workload, its adapter overrides the method for that kind.
"""

import asyncio
import time

from workloads import arrays

from . import service


class CannotError(Exception):
    """The peer has no such thing; the message is the reason."""


class Bound:
    """A workload, ready: sample(seconds, most) returns nanoseconds per call."""

    def __init__(self, sample, check=None):
        self.sample = sample
        self.check = check or (lambda: None)


class Adapter:
    """A peer that is called in a blocking way."""

    # Reasons, by kind of workload, or by the package of the arrays.
    cannot: dict = {}  # noqa: RUF012

    def __init__(self):
        self.children = []

    def open(self):
        """Start the worker."""

    def close(self):
        """End it."""

    def forget(self):
        """Nothing of a workload is kept: the workers of a ring go."""
        for child in self.children:
            child.close()
        self.children.clear()

    # ---- what an adapter has to say ----

    def call(self, name, *arguments):
        raise NotImplementedError

    def bounce(self, seconds, most):
        """Have the worker call the host and time it."""
        raise self.refusal("bounce")

    def many(self, count, name, *arguments):
        """Have so many calls in flight; their results."""
        raise self.refusal("many")

    def share(self, array):
        """The array in memory that the worker can see."""
        raise self.refusal("shared_in")

    def start(self, workload):
        """Nanoseconds from nothing to the first reply of another worker."""
        return self._start_another()

    # ---- the kinds of workloads ----

    def bind(self, workload):
        if workload.kind in self.cannot:
            raise self.refusal(workload.kind)
        if workload.is_array and workload.needs in self.cannot:
            raise self.refusal(workload.needs)
        return getattr(self, "bind_" + workload.kind)(workload)

    def bind_echo(self, workload):
        value = workload.make()
        return self.timed(lambda: self.call("echo", value), value)

    def bind_array_in(self, workload):
        array = workload.make()
        expected = arrays.first_last(array)
        if workload.needs == "numpy":
            return self.timed(lambda: self.call("first_last", array), expected)
        return self.timed_fresh(lambda fresh: self.call("first_last", fresh), array, expected)

    def bind_array_echo(self, workload):
        array = workload.make()
        if workload.needs == "numpy":
            return self.timed(lambda: self.call("echo", array), array)
        return self.timed_fresh(lambda fresh: self.call("echo", fresh), array, array)

    def bind_shared_in(self, workload):
        """A method that only takes it; that it sees what is in it is seen to beforehand."""
        array = self.share(workload.make())
        bound = self.timed(lambda: self.call("length", array), array.shape[0])
        return Bound(bound.sample, lambda: self.check_seen(array, bound))

    def check_seen(self, array, bound):
        arrays.mark(array)
        seen = self.once(lambda one: self.call("first_last", one), array)
        compare(seen, arrays.first_last(array))
        bound.check()

    def bind_shared_read(self, workload):
        array = self.share(workload.make())
        return self.timed(lambda: self.call("first_last", array), arrays.first_last(array))

    def bind_shared_echo(self, workload):
        array = self.share(workload.make())
        return self.timed(lambda: self.call("echo", array), array)

    def bind_many(self, workload):
        return self.batches(lambda: self.many(workload.count, "echo", 1), 1, workload.count)

    def bind_sleep(self, workload):
        return self.batches(lambda: self.many(workload.count, "sleep", 0.01), 0.01, workload.count)

    def bind_bounce(self, workload):
        return Bound(self.bounce)

    def bind_start(self, workload):
        return Bound(
            lambda seconds, most: self._collect(lambda: self.start(workload), seconds, most)
        )

    def bind_ring(self, workload):
        """More workers of this kind."""
        while len(self.children) < workload.count:
            child = type(self)()
            child.open()
            self.children.append(child)
        ring = self.children[: workload.count]
        return self.batches(lambda: [child.call("echo", 1) for child in ring], 1, workload.count)

    def bind_held_read(self, workload):
        raise self.refusal("held_read")

    def bind_loaded(self, workload):
        raise self.refusal("loaded")

    def bind_example(self, workload):
        raise self.refusal("example")

    def workers(self, number, kind):
        """Have so many idle workers, of which each has answered once."""
        if kind != "def":
            raise CannotError("there is one kind of worker")
        while len(self.children) < number - 1:
            child = type(self)()
            child.open()
            self.children.append(child)
        for child in [self, *self.children]:
            child.call("echo", 1)

    # ---- how samples are taken ----

    def timed(self, call, expected):
        def check():
            compare(call(), expected)

        return Bound(lambda seconds, most: service.timed(call, seconds, most), check)

    def timed_fresh(self, call, tensor, expected):
        """A tensor may be moved into shared memory when it is sent: each call has a new one."""

        def sample(seconds, most):
            return self._collect(lambda: self.timed_once(call, tensor.clone()), seconds, most)

        return Bound(sample, lambda: compare(self.once(call, tensor.clone()), expected))

    def timed_once(self, call, tensor):
        begin = time.perf_counter_ns()
        self.once(call, tensor)
        return time.perf_counter_ns() - begin

    def once(self, call, tensor):
        return call(tensor)

    def batches(self, call, expected, count):
        """`call` makes `count` calls, each of which is to return what is expected."""

        def sample(seconds, most):
            times = service.timed(call, seconds, max(1, most // count))
            return [ns / count for ns in times]

        return Bound(sample, lambda: compare(list(call()), [expected] * count))

    def refusal(self, kind):
        return CannotError(self.cannot.get(kind) or f"has no way for it ({kind})")

    def _start_another(self):
        other = type(self)()
        begin = time.perf_counter_ns()
        other.open()
        other.call("echo", 1)
        ns = time.perf_counter_ns() - begin
        other.close()
        return ns

    @staticmethod
    def _collect(one, seconds, most):
        samples = []
        end = time.perf_counter() + seconds
        while not samples or (time.perf_counter() < end and len(samples) < most):
            samples.append(one())
        return samples


class AsyncAdapter(Adapter):
    """A peer that is awaited; it has one event loop, in which all of it happens."""

    # How many calls are awaited at once.
    gather = staticmethod(asyncio.gather)

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)

    def call(self, name, *arguments):
        """An awaitable."""
        raise NotImplementedError

    def run(self, awaitable):
        async def until_done():
            return await awaitable

        return self.loop.run_until_complete(until_done())

    def once(self, call, tensor):
        return self.run(call(tensor))

    def timed(self, call, expected):
        def check():
            compare(self.run(call()), expected)

        return Bound(lambda seconds, most: self.run(timed_async(call, seconds, most)), check)

    def many(self, count, name, *arguments):
        async def all_of_them():
            return await self.gather(*(self.call(name, *arguments) for _ in range(count)))

        return all_of_them()

    def batches(self, call, expected, count):
        def sample(seconds, most):
            times = self.run(timed_async(call, seconds, max(1, most // count)))
            return [ns / count for ns in times]

        return Bound(sample, lambda: compare(list(self.run(call())), [expected] * count))

    def bind_ring(self, workload):
        raise self.refusal("ring")


async def timed_async(call, seconds, most):
    """service.timed() for what is awaited."""
    clock = time.perf_counter_ns
    samples = []
    now = clock()
    end = now + int(seconds * 1e9)
    while now < end and len(samples) < most:
        begin = clock()
        await call()
        now = clock()
        samples.append(now - begin)
    return samples


def compare(result, expected):
    """An exception unless they are equal, and of one type."""
    if hasattr(expected, "dtype"):
        equal = arrays.same(result, expected)
    else:
        equal = type(result) is type(expected) and result == expected
    if not equal:
        raise ValueError(f"came back different: {shorten(result)} instead of {shorten(expected)}")


def shorten(value):
    if hasattr(value, "dtype"):
        return (
            f"{type(value).__module__}.{type(value).__name__} of {value.dtype} {tuple(value.shape)}"
        )
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
