# SPDX-License-Identifier: MIT
"""An application with nodes, in miniature: lists the nodes of all packs, and runs three of them."""

import argparse
import asyncio
from pathlib import Path

import nodes
import pictures
import pyisolate
from models import ModelManager

CUSTOM_NODES = Path(__file__).parent / "custom_nodes"


def show(pack):
    manifest = pack.manifest
    print(f"{manifest.display_name} {manifest.version}, in process {pack.extension.pid}")
    for node in pack.nodes.values():
        returned = ", ".join(node.return_types)
        print(f"  {node.category} / {node.display_name} ({node.name}) -> {returned}")
        for name, (kind, *options) in {**node.required, **node.optional}.items():
            kind = "one of " + ", ".join(kind) if isinstance(kind, list) else kind
            default = options[0].get("default") if options else None
            print(f"    {name}: {kind}" + ("" if default is None else f" = {default!r}"))


async def run_graph(pack, name):
    """Two nodes, one after the other; between them the text is the host's."""
    (greeting,) = await pack.nodes["Greeting"].run(name=name, model="friendly", excitement=3)
    (signed,) = await pack.nodes["Signature"].run(text=greeting)
    return signed


async def run_picture(pack, path):
    """A picture goes to the node, and its outlines come back."""
    picture = pictures.draw()
    (outlines,) = await pack.nodes["Edges"].run(image=picture)
    print(f"Of a picture of {tuple(picture.shape)} the node made one of {tuple(outlines.shape)}")
    if path is not None:
        pictures.write_png(path, picture, outlines)


async def run(arguments):
    config = pyisolate.ExtensionManagerConfig(
        venv_root_path=arguments.venv_root, python=arguments.python
    )
    async with pyisolate.ExtensionManager(pyisolate.ExtensionBase, config) as manager:
        packs, failed = await nodes.load_packs(manager, arguments.custom_nodes)
        for pack in packs.values():
            show(pack)
        for name, error in failed.items():
            print(f"{name} FAILED: {error}")
        if "greetings" in packs:
            print(await run_graph(packs["greetings"], arguments.name))
        if "pictures" in packs:
            await run_picture(packs["pictures"], arguments.picture)
        if "greetings" in packs:
            print(f"The model manager was asked for {ModelManager().uses}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(prog="hello-node", description=__doc__)
    parser.add_argument("--venv-root", metavar="DIR", help="where environments are kept")
    parser.add_argument("--python", help="the interpreter of the node packs")
    parser.add_argument("--custom-nodes", type=Path, default=CUSTOM_NODES, metavar="DIR")
    parser.add_argument("--picture", metavar="FILE", help="write a picture and its outlines there")
    parser.add_argument("name", nargs="?", default="world", help="who is greeted")
    return asyncio.run(run(parser.parse_args()))
