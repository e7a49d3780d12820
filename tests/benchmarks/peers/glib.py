# SPDX-License-Identifier: MIT
"""pyisolate-glib from Python: awaited on an asyncio loop, and by `.sync`."""

import asyncio
import itertools
import os
import pathlib
import shutil
import time

import pyisolate
from workloads import arrays

from . import glib_load, glib_singletons
from .base import Adapter, AsyncAdapter, Bound, compare, timed_async

BENCHMARKS = pathlib.Path(__file__).resolve().parents[1]
EXTENSIONS = BENCHMARKS / "extensions"
EXAMPLES = BENCHMARKS.parents[1] / "examples" / "three-extensions"
NUMPY = "numpy>=2,<3"


class Host:
    """A manager, and the extensions that workloads need, loaded when the first of them does."""

    def __init__(self):
        self.folder = pathlib.Path(os.environ["BENCH_FOLDER"])
        self.numbers = itertools.count()
        self.extensions = {}
        self.apis = [glib_singletons.BenchHost]
        self.manager = self.make_manager(self.folder / "venvs")

    def make_manager(self, root):
        return pyisolate.ExtensionManager(
            pyisolate.ExtensionBase,
            pyisolate.ExtensionManagerConfig(
                venv_root_path=str(root), max_parallel_starts=os.cpu_count()
            ),
        )

    def load(self, module, manager=None, **config):
        """A new extension of this module."""
        return (manager or self.manager).load_extension(
            pyisolate.ExtensionConfig(
                name=f"{module}-{next(self.numbers)}",
                module_path=str(EXTENSIONS / module),
                **config,
            )
        )

    def shared(self, needs=""):
        """The extension for calls, which stays."""
        if needs not in self.extensions:
            config = {"apis": self.apis}
            if needs == "numpy":
                config["dependencies"] = [NUMPY]
            elif needs in ("torch", "cuda"):
                config["share_torch"] = True
            self.extensions[needs] = self.load("async_methods", **config)
        return self.extensions[needs]

    def share(self, array):
        """In shared memory, from now on."""
        return pyisolate.share(array)


class Await(AsyncAdapter):
    """`await extension.method()`."""

    keeper = None

    def open(self):
        self.host = Host()
        self.extension = self.host.shared()
        self.run(self.extension)

    def close(self):
        async def stop():
            await self.host.manager.stop_all_extensions()

        self.run(stop())

    def bind(self, workload):
        self.extension = self.host.shared(workload.needs)
        self.run(self.extension)
        return super().bind(workload)

    def call(self, name, *arguments):
        return getattr(self.extension, name)(*arguments)

    def bind_echo(self, workload):
        value, extension = workload.make(), self.extension
        return self.timed(lambda: extension.echo(value), value)

    def bind_many(self, workload):
        extension = self.extension

        async def all_of_them():
            return await self.gather(*(extension.echo(1) for _ in range(workload.count)))

        return self.batches(all_of_them, 1, workload.count)

    def share(self, array):
        return self.host.share(array)

    def bind_held_read(self, workload):
        array = workload.make()
        extension = self.keeper = self.extension
        self.run(extension.keep(array))
        return self.timed(lambda: extension.kept_first_last(0), arrays.first_last(array))

    def bounce(self, seconds, most):
        return self.run(self.extension.bounce(seconds, most))

    def start(self, workload):
        return self.run(self.start_one(workload.name))

    async def start_one(self, name):
        module = {"start-asyncio": "imports_asyncio"}.get(name, "plain_functions")
        manager = root = None
        if name == "start-cold":
            root = self.host.folder / f"venvs-cold-{os.getpid()}"
            manager = self.host.make_manager(root)
        begin = time.perf_counter_ns()
        extension = self.host.load(module, manager)
        compare(await extension.echo(1), 1)
        ns = time.perf_counter_ns() - begin
        await extension.stop()
        if root:
            shutil.rmtree(root)
        return ns

    def bind_ring(self, workload):
        ring = self.run(self.more("plain_functions", workload.count))

        async def once_round():
            return [await extension.echo(1) for extension in ring]

        return self.batches(once_round, 1, workload.count)

    async def more(self, module, count):
        """So many extensions of this module, all of them running."""
        while (
            sum(isinstance(key, tuple) and key[0] == module for key in self.host.extensions) < count
        ):
            key = (module, len(self.host.extensions))
            self.host.extensions[key] = self.host.load(module)
        chosen = [e for key, e in self.host.extensions.items() if key[0:1] == (module,)][:count]
        await asyncio.gather(*(extension.echo(1) for extension in chosen))
        return chosen

    def forget(self):
        """The extensions of a ring go, and what one keeps."""

        async def stop():
            if self.keeper:
                await self.keeper.drop()
                self.keeper = None
            for key in [key for key in self.host.extensions if isinstance(key, tuple)]:
                await self.host.extensions.pop(key).stop()

        self.run(stop())

    def workers(self, number, kind):
        if "" in self.host.extensions:
            self.run(self.stop_first())
        self.run(self.more({"def": "plain_functions", "asyncio": "imports_asyncio"}[kind], number))

    async def stop_first(self):
        await self.host.extensions.pop("").stop()

    def bind_loaded(self, workload):
        load = glib_load.Load(self.extension, workload)
        return Bound(lambda seconds, most: self.run(load.measure(seconds, most)))

    def bind_example(self, workload):
        name, _, method = workload.name.removeprefix("example-").rpartition("-")
        extension = self.run(self.example(name))

        async def call():
            arguments = [name] if method == "review" else []
            await getattr(extension, method)(*arguments)

        return Bound(lambda seconds, most: self.run(timed_async(call, seconds, most)))

    async def example(self, name):
        """One of the three extensions, with its packages; its results stay with our singleton."""
        key = "example " + name
        if key not in self.host.extensions:
            config = pyisolate.ExtensionConfig.from_directory(
                EXAMPLES / name, apis=[glib_singletons.Results]
            )
            self.host.extensions[key] = self.host.manager.load_extension(config)
            await self.host.extensions[key].process()
        return self.host.extensions[key]


class Gather(Await):
    """`pyisolate.gather(extension.method(), …)`."""

    gather = staticmethod(pyisolate.gather)


class Sync(Adapter):
    """`extension.sync.method()`, without an event loop."""

    cannot = {  # noqa: RUF012
        "many": "one blocked caller has one call",
        "sleep": "one blocked caller has one call",
    }

    def open(self):
        self.host = Host()
        self.extension = self.host.shared()
        self.call("echo", 1)

    def close(self):
        self.host.manager.stop_all_extensions()

    def bind(self, workload):
        self.extension = self.host.shared(workload.needs)
        return super().bind(workload)

    def call(self, name, *arguments):
        return getattr(self.extension.sync, name)(*arguments)

    def bind_echo(self, workload):
        value, extension = workload.make(), self.extension
        return self.timed(lambda: extension.sync.echo(value), value)

    def bounce(self, seconds, most):
        return self.extension.sync.bounce(seconds, most)

    def share(self, array):
        return self.host.share(array)

    def start(self, workload):
        module = {"start-asyncio": "imports_asyncio"}.get(workload.name, "plain_functions")
        begin = time.perf_counter_ns()
        extension = self.host.load(module)
        compare(extension.sync.echo(1), 1)
        ns = time.perf_counter_ns() - begin
        extension.stop()
        return ns

    def bind_ring(self, workload):
        self.children = [self.host.load("plain_functions") for _ in range(workload.count)]
        ring = self.children[:]
        for extension in ring:
            extension.sync.echo(1)
        return self.batches(lambda: [ext.sync.echo(1) for ext in ring], 1, workload.count)

    def forget(self):
        for extension in self.children:
            extension.stop()
        self.children.clear()


ADAPTERS = {"await": Await, "gather": Gather, "sync": Sync}
