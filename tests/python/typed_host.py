# SPDX-License-Identifier: MIT
"""A host in Python for a type checker: right, but for the lines that say which error they are."""

import asyncio

import pyisolate


class Database(pyisolate.ProxiedSingleton):
    def __init__(self) -> None:
        self.data: dict[str, float] = {}

    def set(self, key: str, value: float) -> None:
        self.data[key] = value


class Stats(pyisolate.ExtensionBase):
    async def mean(self, values: list[float]) -> float:
        self.emit_event("asked", len(values))
        return sum(values) / len(values)


def report(progress: pyisolate.Progress) -> None:
    print(f"{progress.extension}: {progress.fraction:.0%} {progress.text}")


async def main() -> float:
    config = pyisolate.ExtensionManagerConfig(venv_root_path="./venvs", max_parallel_starts=2)
    async with pyisolate.ExtensionManager(pyisolate.ExtensionBase, config) as manager:
        manager.on_progress(report)
        extension = await manager.load_extension(
            pyisolate.ExtensionConfig(
                name="stats",
                module_path="./stats",
                dependencies=["numpy>=2"],
                apis=[Database],
                call_timeout=2.5,
            )
        )
        mean: float = await extension.mean([1, 2, 3])
        means: list[float] = await pyisolate.gather(extension.mean([1]), extension.mean([2]))
        mean += sum(means)
        mean += extension.options(timeout=5).sync.mean([4])
        extension.register_event_handler("asked", print)
        pid: int | None = extension.pid
        names: list[str] = [method.name for method in extension.methods]
        try:
            await asyncio.wait_for(extension.api.stop(), 5)
        except pyisolate.CallTimeoutError as error:
            print(error.code, error.remote_traceback, pid, names)
        loaded = await manager.load_all([{"name": "other", "module_path": "other"}])
        for name, failure in loaded.failed.items():
            print(name, failure)
        Database().set("mean", mean)
        await manager.stop_extension("stats")
    return Database().data["mean"]


async def wrong(manager: pyisolate.ExtensionManager) -> None:
    pyisolate.ExtensionConfig(name="stats", depndencies=[])  # expect: call-arg
    pyisolate.ExtensionConfig(name="stats", call_timeout="soon")  # expect: arg-type
    number: int = manager.load_extension({"name": "stats"}).name  # expect: assignment
    manager.load_extensions([])  # expect: attr-defined
    Database().get("mean")  # expect: attr-defined
    print(number)


asyncio.run(main())
