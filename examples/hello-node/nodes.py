# SPDX-License-Identifier: MIT
"""Node packs: found in a directory, described by a manifest, run in processes of their own."""

from pathlib import Path

import pyisolate
from models import ModelManager

try:
    import tomllib
except ImportError:  # Python 3.9 and 3.10
    import tomli as tomllib

WORKER = Path(__file__).with_name("node_worker.py")
# What a manifest may ask for.
APIS = {"ModelManager": ModelManager}


class ManifestError(Exception):
    """A manifest that cannot be used: which one, and why."""


class Manifest:
    """What a pack's pyproject.toml says in [project] and [tool.hello-node]."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "pyproject.toml"
        try:
            data = tomllib.loads(self.path.read_text(encoding="utf-8"))
            project, tool = data["project"], data["tool"]["hello-node"]
            self.name, self.version = project["name"], project["version"]
            self.display_name = tool.pop("display-name", self.name)
            self.apis = [APIS[name] for name in tool.pop("apis", [])]
        except (OSError, ValueError) as error:
            raise ManifestError(f"{self.path}: {error}") from None
        except KeyError as error:
            raise ManifestError(f"{self.path}: {error} is missing, or not known here") from None
        if tool:
            raise ManifestError(f"{self.path}: [tool.hello-node] has no key {next(iter(tool))!r}")

    def to_config(self):
        """The pack's own files say which packages and which Python it needs."""
        of_pack = pyisolate.ExtensionConfig.from_directory(self.folder)
        return pyisolate.ExtensionConfig(
            of_pack,
            module_path=str(WORKER),
            source_paths=[str(self.folder.parent)],
            env={"HELLO_NODE_PACK": self.folder.name},
            apis=self.apis,
        )


class Node:
    """One node, as the host knows it: nothing of its code is here."""

    def __init__(self, pack, name, about):
        self.pack = pack
        self.name = name
        self.display_name = about["display_name"]
        self.description = about["description"]
        self.category = about["category"]
        self.required = about["input_types"].get("required", {})
        self.optional = about["input_types"].get("optional", {})
        self.return_types = about["return_types"]

    async def run(self, **inputs):
        """Its outputs. What is not given has its default."""
        return await self.pack.extension.run_node(self.name, self._complete(inputs))

    def _complete(self, inputs):
        known = {**self.required, **self.optional}
        for name, value in inputs.items():
            if name not in known:
                raise ValueError(f"{self.name} has no input {name!r}; there are {', '.join(known)}")
            choices = known[name][0]
            if isinstance(choices, list) and value not in choices:
                raise ValueError(f"{name!r} of {self.name} is one of {choices}, not {value!r}")
        complete = dict(inputs)
        for name, (kind, *options) in self.required.items():
            if name in inputs:
                continue
            if options and "default" in options[0]:
                complete[name] = options[0]["default"]
            elif isinstance(kind, list) and kind:
                complete[name] = kind[0]
            else:
                raise ValueError(f"{self.name} needs the input {name!r}")
        return complete


class Pack:
    """A pack that runs, with its nodes by name."""

    def __init__(self, manifest, extension, listed):
        self.manifest = manifest
        self.extension = extension
        self.nodes = {name: Node(self, name, about) for name, about in listed.items()}


async def load_packs(manager, folder):
    """All packs below the folder, and the errors of those that could not be loaded, by name."""
    manifests, failed = {}, {}
    for path in sorted(folder.glob("*/pyproject.toml")):
        try:
            manifest = Manifest(path.parent)
            manifests[manifest.name] = manifest
        except ManifestError as error:
            failed[path.parent.name] = error
    loaded = await manager.load_all([manifest.to_config() for manifest in manifests.values()])
    failed.update(loaded.failed)
    packs = {}
    for name, extension in loaded.items():
        try:
            packs[name] = Pack(manifests[name], extension, await extension.list_nodes())
        except Exception as error:
            failed[name] = error
    return packs, failed
