"""Times of functions, side by side in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Times:
    """Median and 95th percentile in milliseconds, and how many runs they are taken over."""

    median: float
    p95: float
    count: int

    @staticmethod
    def of(milliseconds: list[float]) -> Times:
        """The statistics of some runs; raises ValueError for none."""
        if not milliseconds:
            raise ValueError("no runs to take a median of")
        values = np.asarray(milliseconds)
        return Times(float(np.median(values)), float(np.percentile(values, 95)), len(milliseconds))

    def __str__(self) -> str:
        return f"{self.median:.1f} ms (p95 {self.p95:.1f} ms)"


def time_alternately(
    functions: Mapping[str, Callable[[], object]], rounds: int, runs: int
) -> dict[str, Times]:
    """Time functions in turns, `rounds` blocks of `runs` runs each, so that a slower minute hits all alike.

    The first run of each block is not counted: it pays for what the other functions put out of the caches.
    """
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            function()
            for _ in range(runs):
                start = time.perf_counter()
                function()
                spent[name].append(1e3 * (time.perf_counter() - start))
    return {name: Times.of(values) for name, values in spent.items()}
