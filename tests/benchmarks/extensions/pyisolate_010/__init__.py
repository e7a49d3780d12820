# SPDX-License-Identifier: MIT
"""An extension of the pyisolate of PyPI; its class is one that the host knows, too."""
