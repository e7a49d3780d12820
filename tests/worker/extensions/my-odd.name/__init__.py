# SPDX-License-Identifier: MIT
"""A package whose directory's name is none in Python."""

import importlib
import importlib.resources
import pickle
import sys

from . import helper
from .sub import deeper


class Thing:
    def __init__(self, value):
        self.value = value


def name():
    return __name__


def relative():
    return [helper.VALUE, deeper.VALUE]


def resource():
    return (importlib.resources.files(__name__) / "data" / "text.txt").read_text().strip()


def pickled():
    return pickle.loads(pickle.dumps(Thing(3))).value


def by_name():
    return importlib.import_module("my_odd_name.sub.deeper") is deeper


def package():
    module = sys.modules[__name__]
    return [module.__package__, module.__spec__.name, module.__file__ == module.__spec__.origin]
