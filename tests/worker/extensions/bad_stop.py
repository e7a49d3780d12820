# SPDX-License-Identifier: MIT
import pyisolate


class Stubborn(pyisolate.ExtensionBase):
    def stop(self):
        raise ValueError("not like this")

    def nothing(self):
        pass
