# SPDX-License-Identifier: MIT
"""Lets GObject Introspection find what was installed with this package, wherever that is."""

import os
import warnings

import _pyisolate_host  # noqa: F401, it brings the library that the typelib names
import gi


def _add_directory():
    try:
        from ._installed import TYPELIBS
    except ImportError:
        return  # In the build folder GI_TYPELIB_PATH says it.
    try:
        gi.require_version("GIRepository", "2.0")
    except ValueError:
        # A PyGObject that a wheel refuses: from 3.51 on it has another way. Installed below /usr
        # the typelib is found all the same, elsewhere by GI_TYPELIB_PATH.
        return
    from gi.repository import GIRepository

    GIRepository.Repository.prepend_search_path(TYPELIBS)


def _warn_of_another():
    if os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_internal")):
        warnings.warn(
            "The Python pyisolate from PyPI is installed in the same directory as pyisolate-glib: "
            "both are imported as 'pyisolate', and of files of the same name only the last is "
            "there. Uninstall both, and install the one that you want",
            RuntimeWarning,
            stacklevel=4,
        )


_add_directory()
_warn_of_another()
gi.require_version("PyIsolate", "1")
