# SPDX-License-Identifier: MIT
"""Coroutines."""

import asyncio
import contextlib
import contextvars
import functools
import sys
import threading
import time

import pyisolate

# A library may do this while it is imported.
imported_with = asyncio.run(asyncio.sleep(0, "a loop of its own"))

variable = contextvars.ContextVar("variable", default=0)
gate = None
steps = []


async def add(a, b):
    return a + b


async def sleep_and_add(a, b):
    await asyncio.sleep(0)
    return a + b


async def get_imported_with():
    return imported_with


async def on_main():
    return threading.current_thread() is threading.main_thread()


async def in_task():
    task = asyncio.current_task()
    before = task is not None and task in asyncio.all_tasks()
    await asyncio.sleep(0)
    return [before, asyncio.current_task() is task, task.get_coro().__name__]


async def with_timeout():
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        return "timed out"


async def with_timeout_block():
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        return "timed out"


async def with_group():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(add(n, n)) for n in range(5)]
    return [task.result() for task in tasks]


async def gathered(n):
    return await asyncio.gather(*(sleep_and_add(i, i) for i in range(n)))


async def count_up():
    variable.set(variable.get() + 1)
    await asyncio.sleep(0)
    return variable.get()


async def insist(n):
    """Waits for the answers to its calls, also when it is cancelled."""

    async def call():
        await pyisolate.singleton("host").silent(bytes(5000))

    calls = [asyncio.ensure_future(call()) for _ in range(n)]
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait(calls)
    await asyncio.wait(calls)
    return [call.exception() is not None for call in calls].count(True)


async def wait_at_gate():
    global gate
    gate = gate or asyncio.Event()
    await gate.wait()
    return "passed"


async def open_gate():
    gate.set()


async def first_step(name):
    """The steps of calls that arrive together."""
    steps.append(f"{name} 1")
    await asyncio.sleep(0)
    steps.append(f"{name} 2")


async def get_steps():
    return steps


async def cleanup():
    try:
        await asyncio.Event().wait()
    finally:
        steps.append("cleaned up")


async def stubborn():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("ignored")
            return "not me"


async def ask(method):
    return await getattr(pyisolate.singleton("host"), method)()


async def echo_twice(value):
    host = pyisolate.singleton("host")
    return list(await asyncio.gather(host.echo(value), host.echo(value)))


async def in_background():
    """Its task ends by SystemExit, which ends no worker."""

    async def leave():
        sys.exit(3)

    asyncio.get_running_loop().create_task(leave())
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def leave():
    raise SystemExit(4)


async def in_thread(value):
    return await asyncio.get_running_loop().run_in_executor(
        None, pyisolate.singleton("host").sync.echo, value
    )


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


@decorated
async def wrapped(value):
    await asyncio.sleep(0)
    return value


async def stream():
    yield 1


n_turns = 0


async def take_turn(seconds):
    """Keeps the loop for so long."""
    global n_turns
    n_turns += 1
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    return n_turns


async def get_turns():
    return n_turns


async def awaits_as_a_task():
    """What is there before is there after the host has answered."""
    host = pyisolate.singleton("host")
    task = asyncio.current_task()
    variable.set("mine")
    answers = [await host.echo(n) for n in range(3)]
    answers.append(await host.echo((1, (2, 3))))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(host.echo, 1)
    same = asyncio.current_task() is task and task in asyncio.all_tasks()
    return [same, variable.get(), answers, asyncio.get_running_loop() is task.get_loop()]


async def numbers(n):
    try:
        for i in range(n):
            yield await pyisolate.singleton("host").echo(i)
    finally:
        steps.append("closed")


async def uses_generator():
    found = []
    generator = numbers(10)
    async for number in generator:
        found.append(number)
        if number == 2:
            break
    await generator.aclose()
    return [found, steps.pop()]


async def gives_up():
    """The host never answers: time-outs and cancellations of one's own."""
    host = pyisolate.singleton("host")
    outcomes = []
    try:
        await asyncio.wait_for(host.silent(), 0.01)
    except asyncio.TimeoutError:
        outcomes.append("timed out")
    task = asyncio.ensure_future(host.silent())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        outcomes.append("cancelled")
    outcomes.append(await asyncio.shield(host.echo("shielded")))
    done, pending = await asyncio.wait([asyncio.ensure_future(host.echo("x"))], timeout=10)
    outcomes.append([task.result() for task in done] + list(pending))
    return outcomes


async def ends_otherwise():
    """Who drives a coroutine by hand ends its await without an answer."""
    outcomes = []
    for end in (lambda call: call.close(), lambda call: call.throw(KeyError("thrown"))):
        call = pyisolate.singleton("host").silent()
        call.send(None)
        try:
            end(call)
        except KeyError as error:
            outcomes += error.args
        else:
            outcomes.append("closed")
    return outcomes


async def is_cancelled_with_message():
    async def wait():
        try:
            await pyisolate.singleton("host").silent()
        except asyncio.CancelledError as error:
            return list(error.args)

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel("enough")
    return await task


async def answers_in_turn():
    """What came into the loop before an answer of the host's runs before it."""
    order = []

    async def ask():
        await pyisolate.singleton("host").echo("x")
        order.append("answered")

    task = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    await take_turn(0.05)  # The answer comes meanwhile.
    asyncio.get_running_loop().call_soon(order.append, "before")
    await task
    return order


async def sub_task_inherits():
    """A task of one's own calls the host for the same call."""
    variable.set("inherited")

    async def inner():
        return [variable.get(), await pyisolate.singleton("host").echo("sub")]

    return await asyncio.ensure_future(inner())


async def naps():
    """Whether none of many was too short, and one took less than poll() can wait."""
    asked, taken = 0.0001, []
    while len(taken) < 1000 and min(taken, default=1) >= 0.001:
        begin = time.monotonic()
        await asyncio.sleep(asked)
        taken.append(time.monotonic() - begin)
    return [min(taken) >= asked, min(taken) < 0.001]


async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


async def fails_later():
    await asyncio.sleep(0)
    raise SystemExit(5)
