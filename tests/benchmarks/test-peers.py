# SPDX-License-Identifier: MIT
"""Every peer that needs no torch is measured: what it can do has figures, the rest a reason."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCHMARKS = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"]) / "tests" / "benchmarks"
BUILD = os.environ["PYISOLATE_TEST_BUILD"]
WORKLOADS = ("int", "str-100", "bytes-64k", "tree", "bounce", "flight-32", "numpy-in-1m")

# What a peer is known to be unable to do, or to do wrong.
LACKS = {
    "pipe": {"flight-32"},
    "shared_memory": {"flight-32"},
    "rpyc": set(),
    # Its tuples come back as lists.
    "pyro5": {"tree"},
    "execnet": set(),
    # Messages are JSON, a worker has no way to call, and now and then replies are lost.
    "appose": {"bytes-64k", "tree", "bounce", "flight-32"},
    "zeromq": set(),
    "grpc": set(),
}


class Peers(unittest.TestCase):
    def test_figures_or_reasons(self):
        with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
            command = [sys.executable, str(BENCHMARKS / "run"), "--build", BUILD, "--no-torch"]
            command += ["--peers", "--rounds", "1", "--json", file.name, "--only", *WORKLOADS]
            command += ["--subjects", *LACKS]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
            results = json.load(file)
        for peer, lacks in LACKS.items():
            for workload in WORKLOADS:
                with self.subTest(peer=peer, workload=workload):
                    self.check(results, peer, workload, workload in lacks)

    def check(self, results, peer, workload, lacking):
        found = results["figures"].get(workload, {}).get(peer)
        if found:
            self.assertGreater(found["min"], 0)
            self.assertLessEqual(found["min"], found["median"])
            self.assertLessEqual(found["median"], found["max"])
            return
        told = [results[kind].get(workload, {}).get(peer) for kind in ("cannot", "failed")]
        self.assertTrue(any(told), "neither a figure nor a reason")
        self.assertTrue(lacking, f"it cannot: {told}")


if __name__ == "__main__":
    unittest.main()
