#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host three-extensions.c in Python: the same extensions, the same output."""

import argparse
import asyncio
import sys
from pathlib import Path

import pyisolate

NAMES = ["data-processing", "array-math", "web-text"]


class Results(pyisolate.ProxiedSingleton):
    """What the extensions leave with the host, for it and for each other."""

    def __init__(self):
        self.kept = {}

    def set(self, name, value):
        """Leave a result."""
        self.kept[name] = value

    def get(self, name):
        """Read a result."""
        return self.kept[name]


async def process(manager, path):
    """The extension, and what its method returned."""
    config = pyisolate.ExtensionConfig.from_directory(path, apis=[Results])
    extension = await manager.load_extension(config)
    return extension, await extension.process()


async def review(name, result, reader):
    """Another extension must read the same finding as this host does, and as was returned."""
    if Results().get(name)["finding"] != result["finding"]:
        raise ValueError(f"the host holds another result than {name} returned")
    if await reader.review(name) != result["finding"]:
        raise ValueError(f"{reader.name} read another result of {name}")


async def report(name, outcome, reader):
    """One line; what the rest of a message has to say goes elsewhere."""
    try:
        if isinstance(outcome, BaseException):
            raise outcome
        extension, result = outcome
        if result["pid"] != extension.pid:
            raise ValueError("its result is not of its process")
        if isinstance(reader, tuple):
            await review(name, result, reader[0])
    except Exception as error:
        text = str(error) or type(error).__name__
        print(f"{name:16} FAILED  {text.splitlines()[0]}")
        if "\n" in text:
            print(f"{name}: {text}", file=sys.stderr)
        return False
    print(
        f"{name:16} PASSED  {result['did']}: {result['finding']}"
        f"  [numpy {result['numpy']}, pid {result['pid']}]"
    )
    return True


async def main(arguments):
    config = pyisolate.ExtensionManagerConfig(
        venv_root_path=arguments.venv_root, python=arguments.python
    )
    async with pyisolate.ExtensionManager(pyisolate.ExtensionBase, config) as manager:
        outcomes = await asyncio.gather(
            *(process(manager, arguments.directory / name) for name in NAMES),
            return_exceptions=True,
        )
        readers = outcomes[1:] + outcomes[:1]
        good = [await report(*each) for each in zip(NAMES, outcomes, readers)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv-root", metavar="DIR", help="where environments are kept")
    parser.add_argument("--python", help="the interpreter of the extensions (3.9 to 3.12)")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parent)
    sys.exit(asyncio.run(main(parser.parse_args())))
