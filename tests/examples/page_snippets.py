# SPDX-License-Identifier: MIT
"""The fences of a page, and what their info strings ask for.

    ```LANGUAGE                     run: sh, python (a program), c (run, if it has main())
    ```LANGUAGE file=PATH           written there, for the fences that follow
    ```LANGUAGE excerpt=PATH        stands in that file of the sources, which tests run
    ```LANGUAGE sketch              names only: each must be in the public interface
    ```LANGUAGE tested-by=PATH      followed by that test, elsewhere or with more than a page has
    ```LANGUAGE not-run="REASON"    neither
    ```text output                  what the fence before it prints; … stands for anything in a line

A fence without a language is a drawing or a form, and no code.
"""

import pathlib
import re
import shlex

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"file", "excerpt", "sketch", "tested-by", "not-run", "output"}


class Snippet:
    def __init__(self, page, number, info, code):
        self.where = f"{page}:{number}"
        self.code = code
        words = shlex.split(info)
        self.language = words[0] if words else ""
        self.kind, _, self.value = words[1].partition("=") if len(words) > 1 else ("run", "", "")
        if len(words) > 2 or (self.kind != "run" and self.kind not in KINDS):
            raise ValueError(f"{self.where}: what does {info!r} mean?")


def read(path):
    text = path.read_text(encoding="utf-8")
    return [
        Snippet(path.name, text.count("\n", 0, fence.start()) + 1, fence["info"], fence["code"])
        for fence in FENCE.finditer(text)
    ]


def used_by_none(snippets):
    """Files that no other snippet which is run, or written, speaks of."""
    unused = []
    for snippet in snippets:
        path = pathlib.PurePath(snippet.value)
        name = path.parent.name if path.stem == "__init__" else path.stem
        others = [
            other.code
            for other in snippets
            if other is not snippet and other.kind in ("run", "file")
        ]
        # Tests are found by pytest.
        found = name.startswith("test_") or any(name in code for code in others)
        if snippet.kind == "file" and not found:
            unused.append(snippet.where)
    return unused


def matches(expected, output):
    """Whether the output is the expected one, in which … stands for anything in a line."""
    pattern = "[^\n]*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, output) is not None
