# SPDX-License-Identifier: MIT
"""Statistics of what one subject did on one workload."""

import math
import statistics


class Figures:
    """All samples of all rounds, and each round's median beside the yardsticks of that round."""

    def __init__(self):
        self.samples = []
        self.rounds = []
        self.cpu = []

    def add(self, measured, raw, memcpy):
        self.samples += measured.samples
        self.cpu.append(measured.cpu_ns)
        self.rounds.append((statistics.median(measured.samples), raw, memcpy))

    def median(self):
        return statistics.median(self.samples)

    def times_raw(self):
        return paired([(own, raw) for own, raw, _ in self.rounds])

    def times_memcpy(self):
        return paired([(own, memcpy) for own, _, memcpy in self.rounds])

    def summary(self):
        ordered = sorted(self.samples)
        return {
            "samples": len(ordered),
            "rounds": len(self.rounds),
            "mean": statistics.fmean(ordered),
            "deviation": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
            "median": self.median(),
            "p99": percentile(ordered, 0.99),
            "min": ordered[0],
            "max": ordered[-1],
            "cpu": statistics.median(self.cpu),
            "times_raw": self.times_raw(),
            "times_memcpy": self.times_memcpy(),
            "medians": [own for own, _, _ in self.rounds],
        }


def percentile(ordered, part):
    """The smallest sample that at least this part of all are not above."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def paired(pairs):
    """The median of the ratios within a round: what was slow in one round was slow for both."""
    ratios = [a / b for a, b in pairs if b]
    return statistics.median(ratios) if ratios else None
