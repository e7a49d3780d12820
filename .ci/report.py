#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sum up what `meson test` wrote into its logs, subtests included.

Failures and skips are named with their reasons; the last line is always
"N passed, N failed, N skipped". With --strict a skip is a failure unless the file of
allowed skips names it.
"""

import argparse
import dataclasses
import fnmatch
import json
import pathlib
import re
import sys

TAP_LINE = re.compile(
    r"^(?P<bad>not )?ok\b(?:\s+\d+)?(?:\s+-)?\s*(?P<name>[^#]*?)\s*"
    r"(?:#\s*(?:(?P<directive>skip)\S*\s*)?(?P<reason>.*))?$",
    re.IGNORECASE,
)
TAP_NOTHING = re.compile(r"^1\.\.0\s*#\s*skip\S*\s*(?P<reason>.*)$", re.IGNORECASE)
GOOD = {"OK", "EXPECTEDFAIL"}


@dataclasses.dataclass(frozen=True)
class Result:
    name: str
    outcome: str
    reason: str = ""


def results_of(test: dict) -> list[Result]:
    """One result for each TAP line; one for the test where it printed none, or ended badly."""
    # Meson puts the suites before the name: "project:suite / name".
    name = test["name"].rpartition(" / ")[2]
    overall = test["result"]
    results = []
    reason = ""
    for line in (test.get("stdout") or "").splitlines():
        if nothing := TAP_NOTHING.match(line):
            reason = nothing["reason"]
        elif match := TAP_LINE.match(line):
            subtest = f"{name}:{match['name']}"
            if match["directive"]:
                results.append(Result(subtest, "skipped", match["reason"]))
            elif match["bad"]:
                results.append(Result(subtest, "failed"))
            else:
                results.append(Result(subtest, "passed"))
    if overall == "SKIP":
        return [r for r in results if r.outcome == "skipped"] or [Result(name, "skipped", reason)]
    if overall not in GOOD and not any(r.outcome == "failed" for r in results):
        # It crashed or hung, perhaps after every line was an ok.
        results.append(Result(name, "failed", overall.lower()))
    return results or [Result(name, "passed")]


def read_allowed(path: pathlib.Path) -> list[str]:
    patterns = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = line.strip().partition("  ")
        if not reason.strip():
            raise SystemExit(f"{path}:{number}: no reason after the pattern and two spaces")
        patterns.append(pattern)
    return patterns


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--allowed", type=pathlib.Path, required=True)
    parser.add_argument("logs", type=pathlib.Path, nargs="+")
    arguments = parser.parse_args()

    allowed = read_allowed(arguments.allowed)
    results = []
    for log in arguments.logs:
        for line in log.read_text().splitlines():
            results += results_of(json.loads(line))

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for result in results:
        outcome, reason = result.outcome, result.reason
        if outcome == "skipped":
            listed = any(fnmatch.fnmatchcase(result.name, pattern) for pattern in allowed)
            if arguments.strict and not listed:
                outcome = "failed"
                reason = f"skipped ({reason}), which {arguments.allowed.name} does not allow"
        counts[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {result.name}{': ' if reason else ''}{reason}")
    if not results:
        print("failed: there was no test")
        counts["failed"] = 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
