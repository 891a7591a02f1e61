"""The confidence fit: absolute, monotone, finite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.confidence.evidence import Evidence
from selcon_training.confidence.fitting import MIN_EXAMPLES, fit_confidence, fit_logistic


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_recovers_a_logistic_curve():
    rng = np.random.default_rng(0)
    value = rng.normal(0.4, 0.3, 40000)
    positive = rng.random(len(value)) < sigmoid(8 * (value - 0.4))
    scale, offset = fit_logistic(value, positive)
    assert scale == pytest.approx(8, rel=0.05) and -offset / scale == pytest.approx(0.4, abs=0.02)


def test_a_half_is_where_both_are_as_likely_however_rare_one_is():
    rng = np.random.default_rng(0)
    value = np.concatenate([rng.normal(1, 0.3, 50), rng.normal(0, 0.3, 5000)])
    scale, offset = fit_logistic(value, np.arange(len(value)) < 50)
    assert -offset / scale == pytest.approx(0.5, abs=0.08)


def test_separable_evidence_gives_a_finite_curve_that_separates():
    value = np.array([0.1, 0.2, 0.15, 0.8, 0.9, 0.7])
    scale, offset = fit_logistic(value, value > 0.5)
    confidence = sigmoid(scale * value + offset)
    assert np.isfinite([scale, offset]).all()
    assert confidence[value > 0.5].min() > 0.7 and confidence[value < 0.5].max() < 0.3


def test_evidence_that_ranks_the_wrong_way_is_no_evidence():
    value = np.linspace(0, 1, 50)
    scale, offset = fit_logistic(value, value < 0.5)
    assert scale > 0 and np.abs(sigmoid(scale * value + offset) - 0.5).max() < 0.05


@given(
    values=st.lists(st.floats(-5, 5), min_size=2, max_size=40),
    labels=st.lists(st.booleans(), min_size=40, max_size=40),
)
@settings(max_examples=80, deadline=None)
def test_any_evidence_gives_a_rising_finite_curve(values, labels):
    positive = np.array(labels[: len(values)])
    if positive.all() or not positive.any():
        positive[0] = not positive[0]
    scale, offset = fit_logistic(np.array(values), positive)
    assert np.isfinite([scale, offset]).all() and scale > 0


def evidence_of(values, positive, known=None):
    known = np.ones(np.shape(positive), np.bool_) if known is None else known
    return Evidence(np.asarray(values, float), positive, known, np.zeros(len(values), np.bool_))


def test_actions_with_few_examples_share_a_curve():
    rng = np.random.default_rng(0)
    positive = np.zeros((200, 3), np.bool_)
    positive[::2, :2] = True
    known = np.zeros(positive.shape, np.bool_)
    known[:, 0], known[: 2 * MIN_EXAMPLES - 2, 1] = True, True
    values = positive * np.array([1.0, 4.0, 0.0]) + rng.normal(0, 0.2, positive.shape)
    fit = fit_confidence(evidence_of(values, positive, known))
    assert fit is not None and fit.record == {}
    fit = fit.confidence
    shared = fit_logistic(values[known], positive[known])
    assert (fit.scale[1], fit.offset[1]) == (fit.scale[2], fit.offset[2]) == shared
    assert (fit.scale[0], fit.offset[0]) != shared and fit.others == ()


def test_nothing_to_tell_apart_gives_no_fit():
    values = np.zeros((4, 1))
    assert fit_confidence(evidence_of(values, np.ones((4, 1), np.bool_))) is None
    assert fit_confidence(evidence_of(values, np.zeros((4, 1), np.bool_))) is None
