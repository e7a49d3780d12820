# SPDX-License-Identifier: MIT
# Run by a base interpreter with -I -S: prints what it is, as one line of JSON. Old interpreters
# run it too (to be refused by name), so it keeps to what every Python since 2.7 understands.
import json
import os
import sys

try:
    import sysconfig

    variables = sysconfig.get_config_vars()
except Exception:
    variables = {}

implementation = getattr(sys, "implementation", None)
print(
    json.dumps(
        {
            "executable": os.path.realpath(
                getattr(sys, "_base_executable", None) or sys.executable
            ),
            "implementation": implementation.name if implementation else "unknown",
            "version": "%d.%d.%d" % tuple(sys.version_info[:3]),
            "abi": variables.get("SOABI") or "",
            "free_threaded": bool(variables.get("Py_GIL_DISABLED") or False),
        }
    )
)
