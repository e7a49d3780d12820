# SPDX-License-Identifier: MIT
import pyisolate


class Hooked(pyisolate.ExtensionBase):
    def on_module_loaded(self, module):
        raise OSError(5, "from the hook")
