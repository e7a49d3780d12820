# SPDX-License-Identifier: MIT
"""An extension that tells things: lines, log records, events; and that can crash."""

import ctypes
import logging
import os
import subprocess
import sys

import pyisolate

logger = logging.getLogger("talker")
logger.setLevel(logging.DEBUG)


class Talker(pyisolate.ExtensionBase):
    """Some methods."""

    def on_module_loaded(self, module):
        self.module = module.__name__

    def stop(self):
        with open("stopped", "w") as file:
            file.write("by the hook")

    def say(self, text: str, loud: bool = False) -> str:
        """Prints it.

        More of the documentation.
        """
        print(text.upper() if loud else text)
        return text

    def say_error(self, text):
        print(text, file=sys.stderr)

    def say_raw(self, data):
        """Bytes past Python's own streams, from a child too."""
        os.write(1, data)
        subprocess.run(["echo", "from a child"], check=True)

    def log(self, number, text):
        logger.log(number, "%s!", text)

    def log_much(self, text, count):
        logger.warning(text * count)

    def log_nuls(self, count):
        logger.warning("\0" * count)

    def emit(self, name, value):
        self.emit_event(name, value)

    def many_lines(self, count):
        for i in range(count):
            print("line", i)

    def remember(self, text):
        """Writes and reads what was there before."""
        before = None
        if os.path.exists("memory"):
            with open("memory") as file:
                before = file.read()
        with open("memory", "w") as file:
            file.write(text)
        return before

    def crash_in_c(self):
        print("last words")
        ctypes.string_at(0)

    @staticmethod
    def static(x, /, y, *args, key=None, **rest):
        """Parameters of all kinds."""
        return [x, y, args, key, rest]

    def _hidden(self):
        return "never called from outside"

    async def coroutine(self):
        return "awaited"

    @pyisolate.inline
    def inlined(self):
        return "inline"

    @pyisolate.threaded
    def pooled(self):
        return "pool"
