# SPDX-License-Identifier: MIT
"""How far the loading of extensions is: told to handlers, to logging, and on a terminal.

The terminal gets a bar while an environment is made, if nobody else shows it: no handler is there,
and the logger `pyisolate` has nothing to do for INFO. All of it happens in the home thread.
"""

import logging
import shutil
import sys
import time

from ._logging import guarded, own

MAKING = ("resolving", "downloading", "installing")
WIDTH = 24
# Within a stage the bar is not drawn more often than this, in seconds.
INTERVAL = 0.05


class Progress:
    """How far the loading of an extension is, and that of all that is being loaded (`overall`)."""

    __slots__ = ("extension", "fraction", "overall", "stage", "text")

    def __init__(self, extension, stage, fraction, text, overall):
        self.extension = extension
        self.stage = stage
        self.fraction = fraction
        self.text = text
        self.overall = overall

    def __repr__(self):
        return f"<{self.extension}: {self.stage} {self.fraction:.0%} {self.text}>"


class Reporter:
    """What one manager has to tell."""

    def __init__(self, show):
        self.show = show
        self.handlers = []
        self.overall = 1.0
        self._stages = {}
        self._loaded = 0
        self._bar = None

    def begin(self, name):
        if not self._stages:
            self._loaded = 0
        self._stages[name] = None

    def end(self, name, overall):
        """It is loaded, or has failed, of which no progress tells."""
        self.overall = overall
        self._stages.pop(name, None)
        self._loaded += 1
        if self._bar is not None and not any(stage in MAKING for stage in self._stages.values()):
            self._bar.clear()
            self._bar = None

    def tell(self, progress):
        self.overall = progress.overall
        name, stage = progress.extension, progress.stage
        new = self._stages.get(name) != stage
        self._stages[name] = stage
        own.log(
            logging.INFO if new else logging.DEBUG,
            "%s: %s %.0f%% %s",
            name,
            stage,
            100 * progress.fraction,
            progress.text,
        )
        for handler in list(self.handlers):
            guarded(handler, "A handler of progress failed")(progress)
        self._draw(progress, new)

    def _draw(self, progress, new):
        if self._bar is None:
            if progress.stage not in MAKING or not self._may_draw():
                return
            self._bar = _Bar()
        text = f"{progress.extension}: {progress.stage}"
        count = len(self._stages) + self._loaded
        if count > 1:
            text = f"{self._loaded} of {count} loaded; {text}"
        self._bar.draw(progress.overall, text, new)

    def _may_draw(self):
        if self.show is None and (self.handlers or own.isEnabledFor(logging.INFO)):
            return False
        try:
            return self.show is not False and sys.stderr.isatty()
        except (AttributeError, ValueError):  # there is none, or it is closed
            return False


class _Bar:
    def __init__(self):
        self._drawn = 0.0

    def draw(self, fraction, text, at_once):
        now = time.monotonic()
        if now - self._drawn < INTERVAL and not at_once:
            return
        self._drawn = now
        full = round(WIDTH * min(max(fraction, 0), 1))
        line = f"[{'#' * full}{'.' * (WIDTH - full)}] {fraction:4.0%} {text}"
        self._write(line[: shutil.get_terminal_size().columns - 1])

    def clear(self):
        self._write("")

    def _write(self, line):
        try:
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        except (AttributeError, OSError, ValueError):
            pass  # nobody sees it any more
