# SPDX-License-Identifier: MIT
"""Where a worker's Python starts: finds the runtime beside this file, and lends it the main thread.

The runtime's own folders are on sys.path only while it is imported. What the extension imports
comes from its environment; `pyisolate` and `_pyisolate_native` are in sys.modules by then, so they
win over anything of these names.
"""

import os
import sys

RUNTIME = os.path.dirname(os.path.abspath(__file__))


def import_runtime(link_fd=None):
    folders = [RUNTIME, os.path.join(RUNTIME, "python")]
    sys.path[:0] = folders
    # Where the runtime is installed for everybody its bytecode is kept with the extension's state.
    home = os.environ.get("HOME")
    if home and not os.access(os.path.join(RUNTIME, "python", "pyisolate"), os.W_OK):
        sys.pycache_prefix = os.path.join(home, ".cache", "pyisolate-runtime")
    try:
        if link_fd is not None:
            # The handshake takes as long as the imports, so they go on beside each other.
            import _pyisolate_native

            _pyisolate_native.begin_connect(link_fd)
        from pyisolate import _worker
    finally:
        for folder in folders:
            sys.path.remove(folder)
            sys.path_importer_cache.pop(folder, None)
        sys.pycache_prefix = None
    return _worker


# A child that the extension starts by multiprocessing's "spawn" runs this file under another name.
if __name__ == "__main__":
    link_fd = os.environ.pop("PYISOLATE_LINK_FD", None)
    if link_fd is None:
        sys.exit("This is a part of pyisolate-glib, which starts it with a link to a host")
    lane_fd = os.environ.pop("PYISOLATE_LANE_FD", None)
    import_runtime(int(link_fd)).main(None if lane_fd is None else int(lane_fd))
elif __name__ == "__mp_main__":
    import_runtime().prepare_spawned_child()
