# SPDX-License-Identifier: MIT
"""The results as tables in Markdown, which read well on a terminal too."""

import pathlib
import re
import shutil
import tempfile

from . import plot

RATES = ("many", "sleep")
TITLES = {
    "int": "Small values",
    "str": "Strings",
    "bytes": "Bytes",
    "dict": "Containers",
    "list": "Containers",
    "tree": "Containers",
    "bounce": "Extension to host",
    "flight": "Many in flight",
    "sleep": "Many in flight",
    "ring": "Many extensions",
    "numpy": "NumPy arrays",
    "torch": "Torch tensors",
    "cuda": "CUDA tensors",
    "start": "Start",
    "loaded": "Under load",
    "example": "The three example extensions",
}
MARKS = "<!-- {} of the run -->"


def duration(ns):
    """Three digits, and a unit that suits them."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns / size < 1000 else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def size(n_bytes):
    return f"{n_bytes / 2**20:.1f} MiB"


def ratio(value):
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def workload_table(results, name):
    workload = results["workloads"][name]
    rates = workload["kind"] in RATES
    head = [
        "subject",
        "median",
        "mean",
        "deviation",
        "p99",
        "min",
        "max",
        "CPU",
        "× raw",
        "× memcpy",
    ]
    if rates:
        head.insert(2, "calls/s")
    rows = []
    figures = results["figures"].get(name, {})
    for subject in sorted(figures, key=lambda subject: figures[subject]["median"]):
        f = figures[subject]
        row = [subject]
        row += [
            duration(f[key]) for key in ("median", "mean", "deviation", "p99", "min", "max", "cpu")
        ]
        row += [ratio(f["times_raw"]), ratio(f["times_memcpy"])]
        if rates:
            row.insert(2, f"{1e9 / f['median']:,.0f}")
        rows.append(row)
    pinned = "pinned to one core" if workload["pinned"] else "not pinned"
    return f"**{workload['title']}** ({name}; {pinned})\n\n{table(head, rows)}" if rows else ""


def figures(results):
    parts = []
    last = None
    for name in results["workloads"]:
        text = workload_table(results, name)
        if not text:
            continue
        title = TITLES[name.partition("-")[0]]
        if title != last:
            parts.append(f"### {title}")
            last = title
        parts.append(text)
    return "\n\n".join(parts)


def machine(results):
    return table(
        ["machine", ""], [(key, value) for key, value in results["machine"].items() if value]
    )


def cannot(results):
    """One line for a subject and a reason, with the workloads that it holds for."""
    by_reason = {}
    for workload, reasons in results["cannot"].items():
        for subject, reason in reasons.items():
            by_reason.setdefault((subject, reason), []).append(workload)
    rows = [
        (subject, ", ".join(workloads), reason)
        for (subject, reason), workloads in sorted(by_reason.items())
    ]
    return (
        table(["subject", "workloads", "why not"], rows) if rows else "Everybody can do everything."
    )


def failed(results):
    rows = [
        (subject, workload, error.replace("|", "\\|"))
        for workload, errors in results["failed"].items()
        for subject, error in errors.items()
    ]
    return table(["subject", "workload", "error"], sorted(rows)) if rows else "None."


def memory(results):
    parts = []
    kept = results["memory"]
    if kept.get("workers"):
        head = [
            "subject",
            "workers",
            "PSS of one",
            "of its launcher",
            "of the host",
            "host: fds",
            "host: threads",
            "worker: threads",
        ]
        rows = [
            (
                f"{row['subject']} ({row['kind']})",
                row["number"],
                size(row["worker"]),
                size(row["launcher"]) if row["launcher"] else "",
                size(row["host"]),
                row["host_fds"],
                row["host_threads"],
                row["worker_threads"],
            )
            for row in kept["workers"]
        ]
        parts.append("**Idle workers**, each of which has answered once\n\n" + table(head, rows))
    if kept.get("sizes"):
        head = ["subject", "workload", "before", "while the array lives", "after", "GPU"]
        rows = [
            (
                row["subject"],
                row["workload"],
                *(size(row[key]) for key in ("before", "during", "after")),
                size(row["gpu"]) if row["gpu"] else "",
            )
            for row in kept["sizes"]
        ]
        parts.append("**PSS of host and workers by what was sent**\n\n" + table(head, rows))
    if kept.get("failed"):
        parts.append(table(["subject", "of memory", "error"], kept["failed"]))
    return "\n\n".join(parts) or "Not measured in this run."


def verdict(results):
    head = ["workload", "at most", "measured", "in pairs", "met"]
    rows = [
        (row["title"], row["limit"], row["measured"], row["paired"], row["met"])
        for row in results["verdict"]
    ]
    return table(head, rows)


SECTIONS = (
    ("Verdict", verdict),
    ("Figures", figures),
    ("Memory", memory),
    ("Failed", failed),
    ("What a subject cannot do", cannot),
    ("Machine and versions", machine),
)


def whole(results):
    return "\n\n".join(f"## {title}\n\n{make(results)}" for title, make in SECTIONS)


def write_docs(results, docs, build):
    """Replace what stands between the marks of docs/benchmarks.md, and its plots beside it."""
    with tempfile.TemporaryDirectory() as folder:
        titles = plot.make(results, folder, build)
        for old in docs.glob("benchmarks-*.svg"):
            old.unlink()
        for name in titles:
            shutil.copy(pathlib.Path(folder) / f"{name}.svg", docs / f"benchmarks-{name}.svg")
    images = "\n\n".join(f"![{title}](benchmarks-{name}.svg)" for name, title in titles.items())
    # One level below the heading of that section.
    tables = re.sub("^#", "##", whole(results), flags=re.MULTILINE)
    begin, end = MARKS.format("begin"), MARKS.format("end")
    pattern = re.compile(re.escape(begin) + ".*" + re.escape(end), re.DOTALL)
    page = docs / "benchmarks.md"
    text = f"{begin}\n\n{tables}\n\n### Plots\n\n{images}\n\n{end}"
    page.write_text(pattern.sub(lambda _: text, page.read_text()))
