from pyisolate import ExtensionBase
from shared import DatabaseAPI


class Stats(ExtensionBase):
    def on_module_loaded(self, module):
        self.module = module

    async def process_data(self, data):
        import numpy as np

        mean = np.array(data).mean()
        await DatabaseAPI().set("mean", mean)
        return mean
