"""The search is timed in processes of two interpreters, in turns."""

import sys
from pathlib import Path

import numpy as np

from benchmarks.grasp_search import SearchTimes, measure_search
from selcon_ros.model import load


def test_every_search_is_timed_beside_the_older_one() -> None:
    with load(None, "onnxruntime") as model:
        times = measure_search(model, Path(sys.executable), every=15, rounds=1)
    assert times.before is not None and len(times.now) == len(times.before) > 3
    assert np.isfinite(times.now).all() and np.isfinite(times.before).all() and (times.now > 0).all()


def test_the_ratio_is_that_of_the_medians() -> None:
    assert SearchTimes(np.array([1.0, 2, 9]), np.array([8.0, 1, 9])).ratio == 0.25
    assert SearchTimes(np.array([1.0]), None).ratio is None
