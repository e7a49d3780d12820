#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tap.py FILE: run the unittest cases of a file, and tell meson about each in TAP."""

import importlib.util
import pathlib
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    """Prints a line as soon as a test ends: what hangs is then the one after the last line."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.failed_subtests = 0

    def line(self, test: unittest.TestCase, good: bool, directive: str = "") -> None:
        self.number += 1
        name = test.id().partition(".")[2]
        print(f"{'ok' if good else 'not ok'} {self.number} {name}{directive}", flush=True)

    def failed(self, test: unittest.TestCase, error: tuple) -> None:
        for text in traceback.format_exception(*error):
            for line in text.rstrip().split("\n"):
                print(f"# {line}")
        self.line(test, False)

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.failed_subtests = 0

    def addSuccess(self, test: unittest.TestCase) -> None:
        if not self.failed_subtests:
            self.line(test, True)

    def addSubTest(self, test, subtest, error) -> None:
        super().addSubTest(test, subtest, error)
        if error:
            self.failed_subtests += 1
            self.failed(subtest, error)

    def addError(self, test, error) -> None:
        super().addError(test, error)
        self.failed(test, error)

    def addFailure(self, test, error) -> None:
        super().addFailure(test, error)
        self.failed(test, error)

    def addSkip(self, test, reason: str) -> None:
        super().addSkip(test, reason)
        self.line(test, True, f" # SKIP {reason}")


def main() -> int:
    path = pathlib.Path(sys.argv[1]).resolve()
    del sys.argv[0]
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    print("TAP version 13")
    result = TapResult()
    suite.run(result)
    # At the end, as a subtest or a fixture that fails has a line of its own.
    print(f"1..{result.number}" if result.number else "Bail out! no tests")
    return 0 if result.wasSuccessful() and result.number else 1


if __name__ == "__main__":
    sys.exit(main())
