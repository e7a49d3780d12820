# SPDX-License-Identifier: MIT
"""What was promised, row by row, with what this run measured.

A ratio is that of the medians of the whole run. Beside it stands the median of the ratios within
each round, which a machine that is busy for a while disturbs less.
"""

import dataclasses
import statistics

from .subjects import PEERS

EVERY_PEER = ("pipe", "shared_memory", *PEERS)


@dataclasses.dataclass
class Row:
    title: str
    subject: str
    workload: str
    limit: float
    # Subjects, of which the best counts, and their workload if it is another one.
    than: tuple = ()
    than_workload: str = ""
    # A limit in nanoseconds, instead of a ratio.
    absolute: bool = False
    unit: str = "×"
    # Another way of the subject to do it: the better one counts, and is named.
    or_by: str = ""

    def judge(self, results):
        subject = self.faster(results)
        own = figure(results, subject, self.workload)
        if own is None:
            return self.told(results, "", "", reason(results, self.subject, self.workload))
        if self.absolute:
            return self.told(
                results, f"{own['median'] / 1e6:.2f} ms", "", met(own["median"] <= self.limit)
            )
        best = self.best(results)
        if best is None:
            name = self.than[0] if len(self.than) == 1 else "any peer"
            return self.told(results, "", "", f"no figure of {name}")
        name, other = best
        ratio = own["median"] / other["median"]
        pairs = [a / b for a, b in zip(own["medians"], other["medians"])]
        text = f"{digits(ratio)} {self.unit}"
        if len(self.than) > 1:
            text += f" {name}"
        if self.or_by:
            text += f", by {subject}"
        return self.told(results, text, digits(statistics.median(pairs)), met(ratio <= self.limit))

    def faster(self, results):
        other = figure(results, self.or_by, self.workload) if self.or_by else None
        own = figure(results, self.subject, self.workload)
        if other and (own is None or other["median"] < own["median"]):
            return self.or_by
        return self.subject

    def best(self, results):
        workload = self.than_workload or self.workload
        found = [(name, figure(results, name, workload)) for name in self.than]
        found = [(name, other) for name, other in found if other is not None]
        return min(found, key=lambda pair: pair[1]["median"]) if found else None

    def told(self, results, measured, paired, verdict):
        limit = (
            f"{self.limit / 1e6:.0f} ms" if self.absolute else f"{digits(self.limit)} {self.unit}"
        )
        return {
            "title": self.title,
            "limit": limit,
            "measured": measured,
            "paired": paired,
            "met": verdict,
        }


@dataclasses.dataclass
class MemoryRow:
    """PSS of an idle worker beside another's."""

    title: str
    kind: str
    limit: float
    than: str

    def judge(self, results):
        row = {"title": self.title, "limit": f"{self.limit:.2f} ×", "measured": "", "paired": ""}
        own = pss(results, "python await", self.kind)
        other = pss(results, self.than, "def" if self.than == "pipe" else self.kind)
        if own is None or other is None:
            return {**row, "met": "not measured"}
        row["measured"] = f"{own / other:.2f} × ({own / 2**20:.1f} MiB)"
        return {**row, "met": met(own <= self.limit * other)}


def pss(results, subject, kind):
    for row in results["memory"].get("workers", []):
        if (row["subject"], row["kind"], row["number"]) == (subject, kind, 1):
            return row["worker"]
    return None


def figure(results, subject, workload):
    return results["figures"].get(workload, {}).get(subject)


def reason(results, subject, workload):
    for kind in ("failed", "cannot"):
        text = results[kind].get(workload, {}).get(subject)
        if text:
            return f"{kind}: {text}"
    return "not measured"


def digits(ratio):
    """Two decimals, and one more where they would say little."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def met(good):
    return "yes" if good else "**no**"


def pipe_rows():
    for workload, limit, title in (
        ("dict-floats", 0.8, "dict of 100 floats"),
        ("list-ints", 0.6, "list of 1000 ints"),
        ("tree", 1.0, "mixed nested dict of 300 nodes"),
        ("bytes-64k", 0.6, "64 KiB bytes"),
        ("bytes-1m", 0.45, "1 MiB bytes"),
    ):
        yield Row(f"Python host, {title}: the Pipe", "python await", workload, limit, ("pipe",))


def shared_rows():
    for package in ("numpy", "torch"):
        for size in ("4k", "1m", "64m", "6g"):
            for way, limit in (("shared", 1.5), ("shared-echo", 1.7)):
                yield Row(
                    f"{package}, {way.replace('-', ', ')}, {size}: the int echo, not pinned",
                    "python await",
                    f"{package}-{way}-{size}",
                    limit,
                    ("python await",),
                    "int-unpinned",
                )
            yield Row(
                f"{package}, shared and read, {size}: an int call that reads as much",
                "python await",
                f"{package}-shared-read-{size}",
                1.5,
                ("python await",),
                f"{package}-held-read",
            )


def rows():
    yield Row("C host, int echo, `_sync`: raw", "c sync", "int", 2.2, ("raw",))
    yield Row("C host, int echo, `_async`: raw", "c async", "int", 3, ("raw",))
    await_ = "python await"
    yield Row("Python host, `await ext.echo(1)`: the Pipe", await_, "int", 0.75, ("pipe",))
    yield Row("the same: pyisolate 0.10", await_, "int", 1 / 15, ("pyisolate 0.10",))
    yield Row("extension → singleton and back: the Pipe", await_, "bounce", 0.75, ("pipe",))
    yield Row("`.sync` call: the Pipe", "python sync", "int", 0.75, ("pipe",))
    yield Row("gjs host, int echo: raw", "gjs", "int", 15, ("raw",))
    yield from pipe_rows()
    # Twice the calls a second is half the time for each.
    yield Row(
        "32 in flight, time per call: the best peer",
        await_,
        "flight-32",
        0.5,
        EVERY_PEER,
        or_by="python gather",
    )
    yield Row(
        "32 × 10 ms of sleep, time per call: asyncio",
        await_,
        "sleep-32",
        1 / 0.95,
        ("asyncio in process",),
        or_by="python gather",
    )
    yield from shared_rows()
    for package in ("numpy", "torch"):
        for size in ("1m", "64m"):
            yield Row(
                f"private {package} array, {size}: the best peer",
                await_,
                f"{package}-in-{size}",
                1.0,
                EVERY_PEER,
            )
    yield Row("start to first reply, `def`: the Pipe worker's", await_, "start-def", 1.0, ("pipe",))
    yield Row("the same with asyncio: `python -I`", await_, "start-asyncio", 1.3, ("interpreter",))
    yield MemoryRow("PSS of an idle worker, `def`: the Pipe worker's", "def", 1.0, "pipe")
    yield MemoryRow("the same with asyncio: a bare interpreter", "asyncio", 1.15, "interpreter")
    for name, host in (("c sync", "C host"), (await_, "Python host")):
        title = f"{host}, under 1,000 bulk calls"
        yield Row(f"{title}: ping", name, "loaded-ping", 5e6, absolute=True)
        yield Row(f"{title}: cancel", name, "loaded-cancel", 5e6, absolute=True)
        yield Row(f"{title}: int call", name, "loaded-int", 10, (name,), "int-unpinned")
    title = "Python host, with 1,000 bulk calls that wait: int call"
    yield Row(title, await_, "loaded-int-waiting", 10, (await_,), "int-unpinned")


def judge(results):
    """The rows of which this run has measured something, or tried."""
    asked = results["workloads"]
    return [
        row.judge(results)
        for row in rows()
        if (isinstance(row, MemoryRow) and results["memory"])
        or getattr(row, "workload", None) in asked
    ]
