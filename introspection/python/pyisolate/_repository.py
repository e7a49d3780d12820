# SPDX-License-Identifier: MIT
"""Lets GObject Introspection find what was installed with this package, wherever that is."""

import os
import warnings

import _pyisolate_host  # noqa: F401, it brings the library that the typelib names
import gi

try:
    from ._installed import TYPELIBS
except ImportError:
    # In the build folder GI_TYPELIB_PATH says it.
    pass
else:
    gi.require_version("GIRepository", "2.0")
    from gi.repository import GIRepository

    GIRepository.Repository.prepend_search_path(TYPELIBS)

if os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_internal")):
    warnings.warn(
        "The Python pyisolate from PyPI is installed in the same directory as pyisolate-glib: both "
        "are imported as 'pyisolate', and of files of the same name only the last is there. "
        "Uninstall both, and install the one that you want",
        RuntimeWarning,
        stacklevel=3,
    )

gi.require_version("PyIsolate", "1")
