# SPDX-License-Identifier: MIT
"""Plots, by matplotlib, in whose environment this file runs as a program, too."""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

# File name: title, workloads.
BARS = {
    "small-calls": ("Small calls, median", ("int", "str-100", "bounce")),
    "containers": ("Containers, median", ("dict-floats", "list-ints", "tree")),
    "bytes": ("Bytes, median", ("bytes-64k", "bytes-1m")),
    "in-flight": ("In flight, time per call, median", ("flight-32", "flight-1000", "sleep-32")),
    "start": ("Start to first reply, median", ("start-def", "start-asyncio")),
}
# Ours stand out.
OURS = {
    "c sync": "#7f1d1d",
    "c async": "#e11d48",
    "python await": "#ea580c",
    "python gather": "#b45309",
    "python sync": "#fbbf24",
    "python await, D-Bus": "#fda4af",
    "gjs": "#a16207",
}
# Those of matplotlib's tab20 that are not like them, the strong ones first.
COLORS = (
    *("#1f77b4", "#2ca02c", "#9467bd", "#17becf", "#e377c2", "#7f7f7f", "#bcbd22", "#8c564b"),
    *("#aec7e8", "#98df8a", "#c5b0d5", "#9edae5", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#c49c94"),
)
MARKERS = "sv^D"
SIZES = (
    ("4k", 1 << 12),
    ("1m", 1 << 20),
    ("64m", 1 << 26),
    ("8k", 7680 * 4320 * 12),
    ("6g", 6 << 30),
)
LINES = {
    f"{package}-{name}": (f"{package} arrays: {title}, median", f"{package}-{name}")
    for package in ("numpy", "torch")
    for name, title in (
        ("in", "private, into the worker"),
        ("shared", "shared, into the worker"),
        ("shared-echo", "shared, echoed"),
    )
}


def make(results, folder, build):
    """Run this file in the environment for plots; {name: title} of what it made."""
    from .cli import Progress, load_settings
    from .environments import Environments

    settings = load_settings(build)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    environments = Environments(
        settings, pathlib.Path(settings["build"]) / "benchmarks", False, Progress()
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(results, file)
        file.flush()
        done = subprocess.run(
            [environments.python("plot"), __file__, file.name, str(folder)],
            check=True,
            capture_output=True,
            text=True,
        )
    return json.loads(done.stdout)


def styles(results):
    """Of each subject of the run, a color and a marker that no other has: the same in all plots."""
    others = sorted({name for figures in results["figures"].values() for name in figures} - {*OURS})
    found = {name: {"color": color, "marker": "o"} for name, color in OURS.items()}
    for index, name in enumerate(others):
        found[name] = {
            "color": COLORS[index % len(COLORS)],
            "marker": MARKERS[(index + index // len(COLORS)) % len(MARKERS)],
        }
    return found


def bars(pyplot, results, title, workloads):
    from matplotlib import ticker

    shown = [name for name in workloads if results["figures"].get(name)]
    if not shown:
        return None
    figure, axes = pyplot.subplots(1, len(shown), figsize=(4.5 * len(shown), 5), squeeze=False)
    style = styles(results)
    for axis, name in zip(axes[0], shown):
        figures = results["figures"][name]
        subjects = sorted(figures, key=lambda subject: -figures[subject]["median"])
        values = [figures[subject]["median"] / 1e3 for subject in subjects]
        colors = [style[subject]["color"] for subject in subjects]
        drawn = axis.barh(subjects, values, color=colors)
        axis.bar_label(drawn, [f"{value:.3g}" for value in values], padding=3, fontsize=7)
        axis.set_xscale("log")
        # Whole decades, with room for the labels.
        axis.set_xlim(10 ** math.floor(math.log10(min(values))), max(values) * 4)
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.set_xlabel("µs")
        axis.set_title(results["workloads"][name]["title"], fontsize=9)
        axis.tick_params(labelsize=8)
    figure.suptitle(title)
    return figure


def lines(pyplot, results, title, prefix):
    by_subject = {}
    for suffix, n_bytes in SIZES:
        for subject, figure in results["figures"].get(f"{prefix}-{suffix}", {}).items():
            by_subject.setdefault(subject, []).append((n_bytes, figure["median"] / 1e3))
    if not by_subject:
        return None
    figure, axis = pyplot.subplots(figsize=(8, 5))
    style = styles(results)
    for subject, points in sorted(by_subject.items()):
        width = 2.5 if subject in OURS else 1.2
        axis.plot(*zip(*points), linewidth=width, label=subject, **style[subject])
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel("bytes")
    axis.set_ylabel("µs")
    axis.set_title(title)
    axis.legend(fontsize=8)
    return figure


def workers(pyplot, results):
    rows = results["memory"].get("workers", [])
    several = {(row["subject"], row["kind"]) for row in rows if row["number"] > 1}
    if not several:
        return None
    figure, axis = pyplot.subplots(figsize=(8, 5))
    for subject, kind in sorted(several):
        mine = [row for row in rows if (row["subject"], row["kind"]) == (subject, kind)]
        points = [(row["number"], (row["all"] + row["host"]) / 2**20) for row in mine]
        axis.plot(*zip(*points), marker="o", label=f"{subject} ({kind})")
    axis.set_xlabel("workers")
    axis.set_ylabel("PSS of host and workers, MiB")
    axis.set_title("Memory by number of workers")
    axis.legend(fontsize=8)
    return figure


def main(path, folder):
    import matplotlib

    matplotlib.use("Agg")
    # The same results give the same file, with text as text.
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "pyisolate"
    from matplotlib import pyplot

    results = json.loads(pathlib.Path(path).read_text())
    plots = {
        name: (title, bars(pyplot, results, title, names)) for name, (title, names) in BARS.items()
    }
    plots |= {
        name: (title, lines(pyplot, results, title, prefix))
        for name, (title, prefix) in LINES.items()
    }
    plots["workers"] = ("Memory by number of workers", workers(pyplot, results))
    made = {}
    for name, (title, figure) in plots.items():
        if figure is None:
            continue
        figure.tight_layout()
        figure.savefig(f"{folder}/{name}.svg", metadata={"Date": None})
        figure.savefig(f"{folder}/{name}.png", dpi=100)
        made[name] = title
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
