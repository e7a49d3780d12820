# SPDX-License-Identifier: MIT
"""What the benchmark counts, compares and tells, without measuring anything."""

import contextlib
import dataclasses
import io
import os
import pathlib
import sys
import tempfile
import unittest

BENCHMARKS = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"]) / "tests" / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from controller import cli, figures, machine, plot, report, verdict  # noqa: E402
from controller.environments import Environments  # noqa: E402
from controller.rounds import Rounds  # noqa: E402
from controller.subject import CannotError, FailedError, Measured, Subject  # noqa: E402
from controller.subjects import (  # noqa: E402
    BASELINES,
    OURS,
    PEERS,
    Spec,
    is_for,
    memory_needed,
)
from workloads import all_workloads, values  # noqa: E402
from workloads.model import KINDS  # noqa: E402

SPEAKER = """
import sys
print("ok", flush=True)
for line in sys.stdin:
    word = line.split()[0]
    if word == "stop":
        break
    if word == "die":
        sys.exit("these are my last words")
    answers = {"no": "cannot do this", "bad": "failed OSError: broken"}
    print(answers.get(word, "10 20 30"), flush=True)
"""


# The first workload that is not for it breaks it.
BREAKING = """
import sys
print("ok", flush=True)
broken = False
for line in sys.stdin:
    word, *rest = line.split()
    if word == "stop":
        break
    broken = broken or (word, *rest[:1]) == ("prepare", "int")
    answers = {"samples": "1000 3000 2000", "measure": "ok 3"}
    print("failed EOFError: closed" if broken else answers.get(word, "ok"), flush=True)
"""


# Answers as a subject does, but for what its name says.
PRETENDER = """
import sys
print("ok", flush=True)
for line in sys.stdin:
    word = line.split()[0]
    if word == "stop":
        break
    if word == "measure" and sys.argv[1] == "dies":
        sys.exit("no more")
    answers = {"samples": "1000 3000 2000", "measure": "ok 3"}
    refusals = {"fails": "failed OSError: broken", "cannot": "cannot do it"}
    if word == "prepare":
        print(refusals.get(sys.argv[1], "ok"), flush=True)
    else:
        print(answers.get(word, "ok"), flush=True)
"""


class Pretenders:
    def names(self):
        return ["good", "fails", "cannot", "dies"]

    def spec(self, name):
        return Spec(name, [sys.executable, "-c", PRETENDER, name])


class Breaking:
    def names(self):
        return ["breaks"]

    def spec(self, name):
        script = BREAKING if name == "breaks" else PRETENDER
        return Spec(name, [sys.executable, "-c", script, name])


class Homeless(Pretenders):
    """What one needs cannot be had."""

    def names(self):
        return ["good", "homeless"]

    def spec(self, name):
        if name == "homeless":
            raise FailedError("no environment: uv pip: error: no such package")
        return super().spec(name)


def figure(median, medians=None, **more):
    known = dict.fromkeys(("mean", "deviation", "p99", "min", "max", "cpu"), median)
    return {
        **known,
        "median": median,
        "medians": medians or [median],
        "times_raw": 2.0,
        "times_memcpy": None,
        **more,
    }


def results(**changes):
    return {
        "workloads": {
            "int": {"title": "int", "kind": "echo", "pinned": True, "n_bytes": 8, "per_sample": 1}
        },
        "figures": {},
        "cannot": {},
        "failed": {},
        "memory": {},
        "machine": {"CPU": "some"},
        **changes,
    }


def row(judged, beginning):
    return next(row for row in judged if row["title"].startswith(beginning))


class FiguresTest(unittest.TestCase):
    def test_percentile(self):
        ordered = list(range(1, 101))
        self.assertEqual(figures.percentile(ordered, 0.99), 99)
        self.assertEqual(figures.percentile(ordered, 1.0), 100)
        self.assertEqual(figures.percentile([7], 0.99), 7)

    def test_paired_ratios_forget_what_was_slow_for_both(self):
        self.assertEqual(figures.paired([(2, 1), (200, 100), (2.2, 1)]), 2)
        self.assertIsNone(figures.paired([(2, 0)]))

    def test_summary(self):
        found = figures.Figures()
        found.add(Measured([1000.0, 3000.0, 2000.0], 500.0), 1000.0, 4000.0)
        found.add(Measured([5000.0], 700.0), 1000.0, 1000.0)
        summary = found.summary()
        self.assertEqual((summary["samples"], summary["rounds"]), (4, 2))
        self.assertEqual((summary["min"], summary["median"], summary["max"]), (1000, 2500, 5000))
        self.assertEqual(summary["mean"], 2750)
        self.assertAlmostEqual(summary["deviation"], 1707.825, places=2)
        self.assertEqual((summary["cpu"], summary["medians"]), (600, [2000, 5000]))
        self.assertEqual((summary["times_raw"], summary["times_memcpy"]), (3.5, 2.75))


class VerdictTest(unittest.TestCase):
    def test_met_and_not_met(self):
        for median, expected in ((2199, "yes"), (2201, "**no**")):
            both = {"c sync": figure(median), "raw": figure(1000)}
            judged = verdict.judge(results(figures={"int": both}))
            self.assertEqual(row(judged, "C host, int echo, `_sync`")["met"], expected)

    def test_both_ratios(self):
        both = {"c sync": figure(4000, [2000, 6000]), "raw": figure(1000, [1000, 1000])}
        found = row(verdict.judge(results(figures={"int": both})), "C host, int echo, `_sync`")
        self.assertEqual((found["measured"], found["paired"]), ("4.00 ×", "4.00"))

    def test_small_ratios_have_another_digit(self):
        both = {"python await": figure(66), "pyisolate 0.10": figure(1000)}
        found = row(verdict.judge(results(figures={"int": both})), "the same: pyisolate 0.10")
        told = [found[key] for key in ("limit", "measured", "paired", "met")]
        self.assertEqual(told, ["0.067 ×", "0.066 ×", "0.066", "yes"])

    def test_what_failed_is_not_met(self):
        judged = verdict.judge(results(failed={"int": {"c sync": "OSError: broken"}}))
        self.assertIn("OSError: broken", row(judged, "C host, int echo, `_sync`")["met"])

    def test_the_best_peer_counts(self):
        flight = {"title": "f", "kind": "many", "pinned": True, "n_bytes": 8, "per_sample": 32}
        all_of_them = {"python await": figure(600), "zeromq": figure(1000), "execnet": figure(2000)}
        judged = verdict.judge(
            results(workloads={"flight-32": flight}, figures={"flight-32": all_of_them})
        )
        found = row(judged, "32 in flight")
        told = (found["measured"], found["met"])
        self.assertEqual(told, ("0.60 × zeromq, by python await", "**no**"))

    def test_the_faster_way_counts(self):
        flight = {"title": "f", "kind": "many", "pinned": True, "n_bytes": 8, "per_sample": 32}
        for medians, expected in (
            ({"await": 400, "gather": 300}, "0.30 × zeromq, by python gather"),
            ({"await": 200, "gather": 300}, "0.20 × zeromq, by python await"),
            ({"gather": 300}, "0.30 × zeromq, by python gather"),
        ):
            figures = {f"python {way}": figure(median) for way, median in medians.items()}
            judged = verdict.judge(
                results(
                    workloads={"flight-32": flight},
                    figures={"flight-32": {**figures, "zeromq": figure(1000)}},
                )
            )
            found = row(judged, "32 in flight")
            self.assertEqual((found["measured"], found["met"]), (expected, "yes"))


class ReportTest(unittest.TestCase):
    def test_failures_and_reasons_are_told(self):
        told = results(
            failed={"int": {"c sync": "OSError: a | b"}},
            cannot={"int": {"gjs": "no such thing"}},
            figures={"int": {"raw": figure(3210)}},
        )
        told["verdict"] = verdict.judge(told)
        text = report.whole(told)
        self.assertIn("| c sync | int | OSError: a \\| b |", text)
        self.assertIn("| gjs | int | no such thing |", text)
        self.assertIn("| raw | 3.21 µs |", text)

    def test_durations(self):
        for ns, text in ((12, "12 ns"), (1234, "1.23 µs"), (999_000, "999 µs"), (2.5e9, "2.5 s")):
            self.assertEqual(report.duration(ns), text)


class SubjectTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        spec = Spec("speaker", [sys.executable, "-c", SPEAKER])
        log = pathlib.Path(self.folder.name) / "log"
        self.subject = Subject(spec, log, dict(os.environ))
        self.addCleanup(self.subject.stop)

    def test_answers(self):
        self.assertEqual(self.subject.command("samples"), "10 20 30")
        with self.assertRaisesRegex(CannotError, "do this"):
            self.subject.command("no")
        with self.assertRaisesRegex(FailedError, "OSError: broken"):
            self.subject.command("bad")

    def test_its_death_is_an_error_with_its_last_words(self):
        with self.assertRaisesRegex(FailedError, "status 1: these are my last words"):
            self.subject.command("die")
        self.assertFalse(self.subject.alive)


class RoundsTest(unittest.TestCase):
    def run_rounds(self, *arguments, n_bytes=8, stop=True, subjects=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        options = cli.parse(["--rounds", "3", "--seconds", "0.01", *arguments])
        workloads = [
            dataclasses.replace(w, n_bytes=n_bytes)
            for w in all_workloads()
            if w.name in ("int", "str-100")
        ]
        said = []
        rounds = Rounds(
            subjects or Pretenders(),
            workloads,
            dict(os.environ),
            pathlib.Path(folder.name),
            options,
            lambda text, part=None: said.append(text),
        )
        self.addCleanup(rounds.stop)
        rounds.run()
        if stop:
            rounds.stop()
        return rounds, said

    def test_nothing_is_hidden(self):
        rounds, said = self.run_rounds()
        for name in ("int", "str-100"):
            summary = rounds.figures["good", name].summary()
            self.assertEqual((summary["rounds"], summary["median"]), (3, 2000))
            self.assertEqual(summary["times_raw"], 1)
            self.assertEqual(rounds.failed["fails", name], "OSError: broken")
            self.assertEqual(rounds.cannot["cannot", name], "do it")
            # After its end it was started again for the other workload.
            self.assertEqual(rounds.failed["dies", name], "ended with status 1: no more")
        self.assertEqual(len(rounds.figures), 2)
        self.assertTrue(any("failed: OSError: broken" in text for text in said))
        self.assertTrue(any("round 3 of 3" in text for text in said))

    def test_what_failed_does_not_fail_the_next_workload(self):
        rounds, _ = self.run_rounds(subjects=Breaking())
        self.assertEqual(rounds.failed, {("breaks", "int"): "EOFError: closed"})
        self.assertEqual(rounds.figures["breaks", "str-100"].summary()["rounds"], 3)

    def test_who_cannot_be_had_fails_alone(self):
        rounds, _ = self.run_rounds(subjects=Homeless())
        self.assertEqual(rounds.figures["good", "int"].summary()["rounds"], 3)
        for name in ("int", "str-100"):
            self.assertIn("no such package", rounds.failed["homeless", name])

    def test_who_had_gigabytes_ends(self):
        """What one keeps of a large workload the next would lack."""
        for n_bytes, running in ((8, True), (1 << 30, False)):
            with self.subTest(n_bytes=n_bytes):
                rounds, _ = self.run_rounds(n_bytes=n_bytes, stop=False)
                self.assertEqual("good" in rounds.running, running)
                rounds.stop()
                self.assertEqual(rounds.figures["good", "int"].summary()["rounds"], 3)

    def test_no_round_begins_that_would_end_too_late(self):
        rounds, _ = self.run_rounds("--minutes", "0.0001")
        self.assertEqual(rounds.figures["good", "int"].summary()["rounds"], 2)


UV = """#!/bin/sh
echo call >>"$0.calls"
echo "error: no such package" >&2
exit 2
"""


class EnvironmentsTest(unittest.TestCase):
    def test_what_cannot_be_made_is_an_error_once(self):
        with tempfile.TemporaryDirectory() as folder:
            uv = pathlib.Path(folder, "tools", "bin", "uv")
            uv.parent.mkdir(parents=True)
            uv.write_text(UV)
            uv.chmod(0o755)
            settings = {"build": folder, "python": sys.executable}
            environments = Environments(settings, pathlib.Path(folder), False, lambda text: None)
            for _ in range(2):
                with self.assertRaisesRegex(FailedError, "uv venv: error: no such package"):
                    environments.python("peers")
            # Nor does the run ask again, at its end, for versions of what it has not had.
            self.assertEqual(machine.versions(environments, Named("rpyc", "pipe")), {})
            self.assertEqual(pathlib.Path(f"{uv}.calls").read_text(), "call\n")


class Named:
    def __init__(self, *names):
        self.all = names

    def names(self):
        return self.all


class PlotTest(unittest.TestCase):
    def test_no_two_subjects_look_alike(self):
        everybody = [*plot.OURS, *BASELINES, *PEERS, "raw", "memcpy", *map(str, range(20))]
        told = results(figures={"int": {name: figure(1) for name in everybody}})
        looks = [tuple(style.values()) for style in plot.styles(told).values()]
        self.assertEqual(len(looks), len(everybody))
        self.assertEqual(len(set(looks)), len(looks))
        self.assertLessEqual(set(OURS), set(plot.OURS))


class WorkloadsTest(unittest.TestCase):
    def test_names_and_kinds(self):
        workloads = all_workloads()
        names = [workload.name for workload in workloads]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({workload.kind for workload in workloads}, set(KINDS))
        for workload in workloads:
            self.assertIn(workload.name.partition("-")[0], report.TITLES)

    def test_the_tree_has_as_many_nodes_as_it_says(self):
        def count(value):
            if isinstance(value, dict):
                return 1 + sum(map(count, value.values()))
            if isinstance(value, (list, tuple)):
                return 1 + sum(map(count, value))
            return 1

        self.assertAlmostEqual(count(values.mixed_tree(300)), 300, delta=5)
        self.assertEqual(values.mixed_tree(300), values.mixed_tree(300))

    def test_what_does_not_fit_is_known_before(self):
        model = next(w for w in all_workloads() if w.name == "numpy-in-6g")
        self.assertEqual(memory_needed("python await", model), 12 << 30)
        self.assertEqual(memory_needed("pipe", model), 36 << 30)
        shared = next(w for w in all_workloads() if w.name == "torch-shared-6g")
        self.assertEqual(memory_needed("python await", shared), 12 << 30)

    def test_who_takes_part(self):
        by_name = {workload.name: workload for workload in all_workloads()}
        self.assertTrue(is_for("interpreter", by_name["start-def"]))
        self.assertFalse(is_for("interpreter", by_name["int"]))
        self.assertTrue(is_for("rpyc", by_name["ring-4"]))
        self.assertFalse(is_for("rpyc", by_name["ring-64"]))
        self.assertTrue(is_for("python await", by_name["numpy-in-6g"]))
        self.assertFalse(is_for("python sync", by_name["numpy-in-6g"]))

    def test_every_row_of_the_verdict_names_a_workload(self):
        names = {workload.name for workload in all_workloads()}
        for one in verdict.rows():
            if isinstance(one, verdict.Row):
                self.assertIn(one.workload, names)
                self.assertIn(one.than_workload or one.workload, names)

    def test_options_choose(self):
        def chosen(*arguments):
            return {w.name for w in cli.chosen_workloads(cli.parse(list(arguments)))}

        self.assertEqual(chosen("--only", "bytes-*m", "int"), {"int", "bytes-1m", "bytes-16m"})
        self.assertFalse({n for n in chosen("--no-torch", "--no-gpu") if n.startswith("torch")})
        self.assertLess(chosen("--quick"), chosen())
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.assertEqual(cli.main(["--list"]), 0)
        self.assertIn("flight-1000", output.getvalue())

    def refusal(self, *arguments):
        """What the program says; nothing may have been measured before."""
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as raised:
            cli.main(["--build", os.environ["PYISOLATE_TEST_BUILD"], *arguments])
        return f"{raised.exception.code} {stderr.getvalue()}"

    def test_bad_options_are_refused_before_anything_is_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder, "other.json")
            other.write_text('{"figures": 1}')
            for text, *arguments in (
                ("'nonsense'; --list names", "--only", "int", "nonsense"),
                ("leave out all", "--only", "torch-in-1m", "--no-torch"),
                ("'nonsense'; there are", "--only", "int", "--subjects", "raw", "nonsense"),
                ("more with --peers", "--only", "int", "--subjects", "rpyc"),
                ("--rounds", "--rounds", "0"),
                ("--rounds", "--rounds", "-1"),
                ("--seconds", "--seconds", "nan"),
                ("--minutes", "--minutes", "0"),
                ("--most", "--most", "0"),
                (f"{folder}: Is a directory", "--json", folder),
                ("No such file", "--json", f"{folder}/none/x.json"),
                ("File exists", "--plot", str(other)),
                ("No such file", "--from", f"{folder}/none.json"),
                ("not what --json has written", "--from", str(other)),
            ):
                with self.subTest(arguments=arguments):
                    self.assertIn(text, self.refusal(*arguments))


if __name__ == "__main__":
    unittest.main()
