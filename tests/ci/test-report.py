# SPDX-License-Identifier: MIT
"""The sum at the end of a CI run: what it counts, and what it does not let pass."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPORT = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"]) / ".ci" / "report.py"


class Report(unittest.TestCase):
    def report(self, *tests: tuple, strict: bool = True, allowed: str = "") -> tuple:
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "log.json"
            log.write_text(
                "".join(
                    json.dumps({"name": f"project:unit / {name}", "result": result, "stdout": text})
                    + "\n"
                    for name, result, text in tests
                )
            )
            skips = pathlib.Path(folder) / "allowed.txt"
            skips.write_text(allowed)
            command = [sys.executable, REPORT, "--allowed", skips, log]
            done = subprocess.run(
                command + ["--strict"] * strict, capture_output=True, text=True, timeout=300
            )
        lines = done.stdout.splitlines()
        return done.returncode, lines[-1] if lines else "", done.stdout + done.stderr

    def test_subtests_are_counted(self):
        tap = "TAP version 13\nok 1 /a\n# ok 2 /b\nok 2 /c # said\n1..2\n"
        code, last, _ = self.report(("one", "OK", tap), ("two", "OK", "just text"))
        self.assertEqual((code, last), (0, "3 passed, 0 failed, 0 skipped"))

    def test_failures(self):
        code, last, text = self.report(("one", "FAIL", "ok 1 /a\nnot ok 2 /b\n"))
        self.assertEqual((code, last), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed: one:/b", text)

    def test_a_crash_after_the_last_line_is_a_failure(self):
        for result in ("ERROR", "TIMEOUT", "INTERRUPT"):
            with self.subTest(result):
                code, last, text = self.report(("one", result, "ok 1 /a\n1..1\n"))
                self.assertEqual((code, last), (1, "1 passed, 1 failed, 0 skipped"))
                self.assertIn(f"failed: one: {result.lower()}", text)

    def test_skips(self):
        tap = "ok 1 /a # SKIP no GPU\nok 2 /b\n"
        code, last, text = self.report(("one", "OK", tap))
        self.assertEqual((code, last), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("no GPU", text)
        code, last, _ = self.report(("one", "OK", tap), strict=False)
        self.assertEqual((code, last), (0, "1 passed, 0 failed, 1 skipped"))
        code, last, _ = self.report(("one", "OK", tap), allowed="one:/a  no such hardware\n")
        self.assertEqual((code, last), (0, "1 passed, 0 failed, 1 skipped"))

    def test_a_skipped_program(self):
        for text in ("", "1..0 # SKIP no network\n"):
            with self.subTest(text):
                code, last, _ = self.report(("one", "SKIP", text))
                self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))

    def test_an_allowed_skip_needs_a_reason(self):
        code, _, text = self.report(("one", "OK", ""), allowed="one:*\n")
        self.assertEqual(code, 1)
        self.assertIn("no reason", text)

    def test_no_test_at_all(self):
        code, last, _ = self.report()
        self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))
