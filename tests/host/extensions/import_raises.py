# SPDX-License-Identifier: MIT
"""Cannot be imported."""


def _helper():
    raise LookupError("at import")


try:
    _helper()
except LookupError as error:
    raise ImportError("no good") from error
