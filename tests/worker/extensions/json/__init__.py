# SPDX-License-Identifier: MIT
"""Called as a module of the standard library."""

import json


def name():
    return [__name__, json.loads("[1]")]
