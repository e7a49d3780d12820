import asyncio

import pyisolate
from shared import DatabaseAPI


async def main():
    config = pyisolate.ExtensionManagerConfig(venv_root_path="./venvs")
    manager = pyisolate.ExtensionManager(pyisolate.ExtensionBase, config)
    ext = manager.load_extension(
        pyisolate.ExtensionConfig(
            name="stats",
            module_path="./extensions/stats",
            isolated=True,
            dependencies=["numpy>=2.0.0"],
            apis=[DatabaseAPI],
        )
    )
    print("Mean:", await ext.process_data([1, 2, 3, 4, 5]), DatabaseAPI().data)
    await ext.stop()


asyncio.run(main())
