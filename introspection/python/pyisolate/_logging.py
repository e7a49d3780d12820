# SPDX-License-Identifier: MIT
"""What extensions log and print, as records of this process's logging."""

import logging

own = logging.getLogger("pyisolate")

# Where the extension did not say which logger, or none but the first.
_PLAIN = ("", "root", "stdout", "stderr", "pyisolate")


def on_log(gextension, level, logger, message):
    """In the home thread. The logger has the extension's name, and its own below that."""
    target = logging.getLogger(gextension.props.name)
    if logger not in _PLAIN:
        target = target.getChild(logger)
    if target.isEnabledFor(int(level)):
        target.log(int(level), "%s", message, extra={"extension": gextension.props.name})


def guarded(function, text):
    """The function, but what it raises is logged."""

    def guard(*args):
        try:
            function(*args)
        except Exception:
            own.exception("%s", text)

    return guard
