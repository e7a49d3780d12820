#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copy a page for the reference: links lead into that, or are none; fences say their language."""

import pathlib
import re
import sys

page = pathlib.Path(sys.argv[1]).read_text()
page = re.sub(r"(?m)^```(\w+) .*$", r"```\1", page)
# What lies beside docs/ is not installed with it.
page = re.sub(r"(?<!!)\[([^]]*)\]\(\.\./[^)]*\)", r"\1", page)
pathlib.Path(sys.argv[2]).write_text(re.sub(r"\]\(([\w-]+)\.md([#)])", r"](\1.html\2", page))
