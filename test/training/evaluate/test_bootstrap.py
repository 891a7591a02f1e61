"""Bootstrap intervals against the usual formulas, over clusters, with gaps, and in blocks."""

import numpy as np
import pytest

from selcon_training.evaluate import bootstrap
from selcon_training.evaluate.bootstrap import auc_limits, clusters, mean_limits, quantile_limits

NOBODY = np.array([], np.int64)


def test_independent_rows_have_the_usual_interval():
    values = np.random.default_rng(1).random((400, 1))
    ((low, high),) = mean_limits(values, np.arange(400))
    error = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - error, abs=0.004)
    assert high == pytest.approx(values.mean() + error, abs=0.004)


def test_rows_of_a_cluster_are_drawn_together_and_gaps_do_not_count():
    values = np.repeat(np.random.default_rng(1).random((40, 1)), 10, axis=0)
    each, together = (
        mean_limits(values, of)[0] for of in (np.arange(400), clusters(list(range(40)) * 1).repeat(10))
    )
    assert together[1] - together[0] > 2.5 * (each[1] - each[0])
    with_gaps = np.concatenate([values, np.full((50, 1), np.nan)])
    assert mean_limits(with_gaps, np.append(np.arange(40).repeat(10), np.zeros(50, int))) == [together]
    assert mean_limits([[1, np.nan], [2, 3]], np.array([0, 1])) == [[1, 2], None]


def test_the_median_of_many_is_as_sure_as_it_should_be():
    values = np.random.default_rng(2).normal(size=900)
    low, high = quantile_limits(values, np.arange(900), 0.5)
    error = 1.96 * 1.2533 / 30
    assert low == pytest.approx(np.median(values) - error, abs=0.03)
    assert high == pytest.approx(np.median(values) + error, abs=0.03)
    low, high = quantile_limits(values, np.arange(900), 0.9)
    assert np.quantile(values, 0.87) < low < np.quantile(values, 0.9) < high < np.quantile(values, 0.93)
    assert quantile_limits([3.0, np.nan, 5.0], np.array([0, 1, 2]), 0.9) == [3, 5]


def test_the_auc_is_as_sure_as_hanley_and_mcneil_say():
    rng = np.random.default_rng(3)
    positive, negative = rng.normal(1.0, size=150), rng.normal(size=200)
    low, high = auc_limits(positive, np.arange(150), negative, np.arange(200))
    auc = (positive[:, None] > negative[None]).mean()
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + 149 * (first - auc**2) + 199 * (second - auc**2)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(variance / (150 * 200)), rel=0.15)
    assert low < auc < high
    ties = auc_limits(np.ones(3), np.arange(3), np.ones(4), np.arange(4))
    assert ties == [0.5, 0.5]


def test_one_cluster_and_none_have_no_interval():
    assert mean_limits([1.0, 2.0], np.zeros(2, int)) == [None] and mean_limits([], NOBODY) == [None]
    assert quantile_limits([1.0, 2.0], np.zeros(2, int), 0.5) is None
    assert quantile_limits([], NOBODY, 0.5) is None
    assert auc_limits(np.ones(2), np.arange(2), np.ones(2), np.zeros(2, int)) is None
    assert auc_limits(np.ones(2), np.arange(2), np.array([]), NOBODY) is None


def test_many_rows_are_drawn_in_blocks_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(4)
    values, of = rng.random(60), clusters(rng.integers(0, 9, 60).tolist())

    def found():
        several = [mean_limits(values, of)[0], quantile_limits(values, of, 0.9)]
        return [*several, auc_limits(values, of, values[:20], np.arange(20))]

    whole = found()
    monkeypatch.setattr(bootstrap, "_WEIGHTS_AT_ONCE", 7 * 60)
    assert found() == whole
