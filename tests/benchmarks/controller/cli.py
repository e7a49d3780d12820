# SPDX-License-Identifier: MIT
"""The command line: what is measured, and where the results go."""

import argparse
import fnmatch
import json
import math
import pathlib
import shutil
import sys
import time

from workloads import all_workloads

from . import machine, memory, plot, report, subjects, verdict
from .environments import Environments
from .rounds import Rounds
from .subject import FailedError

SOURCE = pathlib.Path(__file__).resolve().parents[3]
DOCS = SOURCE / "docs"
# Rounds and seconds per measurement.
QUICK = (3, 0.05)
FULL = (7, 0.2)
# A run for the page, with peers and the pass for memory, is to take a quarter of an hour.
DOCS_MINUTES = 10


def count(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def amount(text):
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def parse(arguments):
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer workloads and rounds: about two minutes")
    add(
        "--only",
        nargs="+",
        metavar="WORKLOAD",
        default=[],
        help="these (patterns, as in int bytes-*)",
    )
    add(
        "--subjects",
        nargs="+",
        metavar="SUBJECT",
        default=[],
        help="these only (patterns, as in 'c *')",
    )
    add(
        "--peers",
        action="store_true",
        help="measure other projects too, in environments made for it",
    )
    add("--dbus", action="store_true", help="measure a host in Python without lanes, too")
    add(
        "--examples",
        action="store_true",
        help="also the three example extensions, with their packages",
    )
    add("--no-torch", dest="torch", action="store_false", help="leave torch out")
    add("--no-gpu", dest="gpu", action="store_false", help="leave the GPU out")
    add("--no-memory", dest="memory", action="store_false", help="leave the pass for memory out")
    add("--memory-only", action="store_true", help="nothing but the pass for memory")
    add("--rounds", type=count, metavar="N")
    add("--minutes", type=amount, metavar="M", help="no further round if it would end later")
    add("--seconds", type=amount, metavar="S", help="for one subject on one workload in one round")
    add("--most", type=count, metavar="N", default=20_000, help="samples of one measurement")
    add("--seed", type=int, default=1, help="for the order of things")
    add("--json", metavar="FILE", help="all figures")
    add("--plot", metavar="DIR", help="plots as SVG and PNG, by matplotlib")
    add("--docs", action="store_true", help="write the tables and plots of this run into docs/")
    add("--from", dest="loaded", metavar="FILE", help="no run: report, plot, docs of a --json file")
    add("--build", metavar="DIR", default=str(SOURCE / "build"), help="the build folder")
    add("--list", action="store_true", help="name the workloads, and end")
    return parser.parse_args(arguments)


class Progress:
    """One line on a terminal, lines elsewhere; on standard error."""

    def __init__(self):
        self.begin = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.last = 0.0

    def __call__(self, text, part=None):
        now = time.monotonic()
        at = f"[{now - self.begin:5.0f} s{'' if part is None else f' {part:4.0%}'}] {text}"
        if self.terminal and part is not None:
            print(f"\r\x1b[K{at[:150]}", end="", file=sys.stderr, flush=True)
        elif part is None or now - self.last > 5:
            self.last = now
            print(f"\r\x1b[K{at}" if self.terminal else at, file=sys.stderr, flush=True)


def chosen_workloads(options):
    gpu = options.gpu and shutil.which("nvidia-smi")
    chosen = []
    if options.memory_only:
        return chosen
    for workload in all_workloads():
        if options.only:
            if not any(fnmatch.fnmatchcase(workload.name, pattern) for pattern in options.only):
                continue
        elif (options.quick and not workload.quick) or (
            workload.kind == "example" and not options.examples
        ):
            continue
        if (workload.needs in ("torch", "cuda") and not options.torch) or (
            workload.needs == "cuda" and not gpu
        ):
            continue
        chosen.append(workload)
    return chosen


def load_settings(build):
    path = pathlib.Path(build) / "tests" / "benchmarks" / "settings.json"
    if not path.exists():
        raise SystemExit(
            f"run: {path} is missing: build with tests enabled first, or name --build DIR"
        )
    return json.loads(path.read_text())


class Chosen:
    """The subjects that patterns name; the yardsticks run beside them in any case."""

    def __init__(self, all_subjects, patterns):
        self.all = all_subjects
        self.patterns = patterns
        self.spec = all_subjects.spec

    def names(self):
        return [
            name
            for name in self.all.names()
            if not self.patterns or any(fnmatch.fnmatchcase(name, p) for p in self.patterns)
        ]


def refuse_unknown(option, patterns, names, hint):
    """A slip in a name is not to mean that there is less to measure."""
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise SystemExit(f"run: {option}: nothing is named {pattern!r}; {hint}")


def prepare_output(options):
    """An error where nothing can be written comes before what takes a quarter of an hour."""
    try:
        if options.plot:
            pathlib.Path(options.plot).mkdir(parents=True, exist_ok=True)
        if options.json:
            with open(options.json, "a"):
                pass
    except OSError as error:
        raise SystemExit(f"run: {error.filename}: {error.strerror}") from None


def measure(options):
    settings = load_settings(options.build)
    folder = pathlib.Path(settings["build"]) / "benchmarks"
    folder.mkdir(exist_ok=True)
    progress = Progress()
    names = [workload.name for workload in all_workloads()]
    refuse_unknown("--only", options.only, names, "--list names the workloads")
    workloads = chosen_workloads(options)
    if not workloads and not options.memory_only:
        raise SystemExit("run: the other options leave out all of these workloads")
    environments = Environments(settings, folder, options.torch, progress)
    everybody = subjects.Subjects(settings, environments, folder, options)
    names = everybody.names()
    more = "" if options.peers else ", and more with --peers"
    refuse_unknown("--subjects", options.subjects, names, f"there are {names}{more}")
    who = Chosen(everybody, options.subjects)
    environment = subjects.environment()
    rounds = Rounds(who, workloads, environment, folder, options, progress)
    before = machine.load()
    try:
        rounds.run()
    finally:
        rounds.stop()
    kept = {}
    if options.memory_only or (options.memory and not options.only):
        kept = memory.measure(who, environment, folder, options, progress)
    progress("done", 1.0)
    if progress.terminal:
        print(file=sys.stderr)
    return {
        "machine": machine.describe(settings, environments, who, before),
        "arguments": sys.argv[1:],
        "rounds": options.rounds,
        "seconds": options.seconds,
        "workloads": {w.name: describe(w) for w in workloads},
        "figures": nested({key: figures.summary() for key, figures in rounds.figures.items()}),
        "cannot": nested(rounds.cannot),
        "failed": nested(rounds.failed),
        "memory": kept,
    }


def describe(workload):
    return {
        "title": workload.title,
        "kind": workload.kind,
        "n_bytes": workload.n_bytes,
        "pinned": workload.pinned,
        "per_sample": workload.per_sample(),
    }


def nested(by_key):
    """{(subject, workload): x} as {workload: {subject: x}}."""
    result = {}
    for (subject, workload), value in by_key.items():
        result.setdefault(workload, {})[subject] = value
    return result


def load(path):
    """The results that --json kept."""
    try:
        results = json.loads(pathlib.Path(path).read_text())
        if results["figures"].keys() <= results["workloads"].keys():
            return results
    except OSError as error:
        raise SystemExit(f"run: {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise SystemExit(f"run: {path} is not what --json has written")


def main(arguments=None):
    try:
        return run(parse(arguments))
    except FailedError as error:
        raise SystemExit(f"run: {error}") from None


def run(options):
    if options.list:
        for workload in all_workloads():
            print(f"{workload.name:24} {workload.title}{' (quick)' if workload.quick else ''}")
        return 0
    rounds, seconds = QUICK if options.quick or options.only else FULL
    if options.docs and not options.loaded:
        seconds, options.minutes = seconds / 2, options.minutes or DOCS_MINUTES
    options.rounds = options.rounds or rounds
    options.seconds = options.seconds or seconds
    prepare_output(options)
    results = load(options.loaded) if options.loaded else measure(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    results["verdict"] = verdict.judge(results)
    print(report.whole(results))
    if options.plot:
        plot.make(results, options.plot, options.build)
    if options.docs:
        report.write_docs(results, DOCS, options.build)
    return 0
