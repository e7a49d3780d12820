# SPDX-License-Identifier: MIT
import pyisolate


class First(pyisolate.ExtensionBase):
    pass


class Second(pyisolate.ExtensionBase):
    pass
