# SPDX-License-Identifier: MIT
"""A few ratios, with wide margins: for a change that makes calls much dearer, not for noise."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCHMARKS = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"]) / "tests" / "benchmarks"
BUILD = os.environ["PYISOLATE_TEST_BUILD"]
ATTEMPTS = 3

# Subject, workload, what it is compared with, at most so many times as long: more than twice as
# long as when this was written.
GUARDS = (
    ("c sync", "int", "raw", "int", 4.5),
    ("c async", "int", "raw", "int", 5),
    ("python await", "int", "pipe", "int", 2.5),
    ("python sync", "int", "pipe", "int", 2.5),
    ("gjs", "int", "raw", "int", 25),
    ("python await", "bounce", "pipe", "bounce", 3),
    ("python await", "flight-32", "pipe", "int", 1.5),
    ("python await", "dict-floats", "pipe", "dict-floats", 2),
    ("python await", "list-ints", "pipe", "list-ints", 2),
    ("python await", "tree", "pipe", "tree", 2.5),
    ("python await", "bytes-64k", "pipe", "bytes-64k", 2),
    ("python await", "loaded-int", "python await", "int-unpinned", 13),
    ("python await", "start-def", "pipe", "start-def", 2),
)


def measure():
    """The figures of a short run."""
    workloads = sorted({workload for guard in GUARDS for workload in (guard[1], guard[3])})
    subjects = sorted({subject for guard in GUARDS for subject in (guard[0], guard[2])})
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = [sys.executable, str(BENCHMARKS / "run"), "--build", BUILD, "--no-torch"]
        command += ["--json", file.name, "--rounds", "5", "--only", *workloads]
        command += ["--subjects", *subjects]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=400)
        return json.load(file)


def ratio(results, subject, workload, than, than_workload):
    """Of the medians: among calls that all wait for something, a few may be fast by luck."""
    own, other = results["figures"][workload][subject], results["figures"][than_workload][than]
    return own["median"] / other["median"]


class Guard(unittest.TestCase):
    def test_ratios(self):
        """A machine that is busy makes one attempt bad, not all."""
        for attempt in range(ATTEMPTS):
            results = measure()
            self.assertEqual(results["failed"], {})
            ratios = {guard: ratio(results, *guard[:4]) for guard in GUARDS}
            for guard, found in ratios.items():
                print(f"# {guard[0]}, {guard[1]}: {found:.2f} × {guard[2]}, at most {guard[4]}")
            bad = {guard: found for guard, found in ratios.items() if found > guard[4]}
            if not bad:
                return
            print(f"# attempt {attempt + 1} is over {len(bad)} limits")
        self.fail(f"over the limits in {ATTEMPTS} attempts: {bad}")


if __name__ == "__main__":
    unittest.main()
