#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copy a page, with its links to other pages made into links into the reference."""

import pathlib
import re
import sys

page = pathlib.Path(sys.argv[1]).read_text()
pathlib.Path(sys.argv[2]).write_text(re.sub(r"\]\(([\w-]+)\.md([#)])", r"](\1.html\2", page))
