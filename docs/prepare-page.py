#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copy a page for the reference: its links lead into that, its fences say their language only."""

import pathlib
import re
import sys

page = pathlib.Path(sys.argv[1]).read_text()
page = re.sub(r"(?m)^```(\w+) .*$", r"```\1", page)
pathlib.Path(sys.argv[2]).write_text(re.sub(r"\]\(([\w-]+)\.md([#)])", r"](\1.html\2", page))
