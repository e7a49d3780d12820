# SPDX-License-Identifier: MIT
"""The model manager: one object of the host's, for itself and for every node pack."""

from pathlib import Path

from pyisolate import ProxiedSingleton

FOLDER = Path(__file__).parent / "models"


class ModelManager(ProxiedSingleton):
    """Loads each model once, whoever asks for it. The models here are texts with gaps."""

    def __init__(self):
        self.loaded = {}
        self.uses = {}

    def names(self):
        """What there is."""
        return sorted(path.stem for path in FOLDER.glob("*.txt"))

    def load(self, name):
        """The text of a model."""
        if name not in self.names():
            raise LookupError(f"there is no model {name!r}; there are {', '.join(self.names())}")
        if name not in self.loaded:
            self.loaded[name] = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").strip()
        self.uses[name] = self.uses.get(name, 0) + 1
        return self.loaded[name]
