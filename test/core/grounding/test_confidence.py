"""From the network's maps to a confidence: absolute where fitted, else relative."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from selcon_ros.core.grounding.confidence import ConfidenceFit, class_probabilities, evidence

PLAIN = ConfidenceFit(scale=(8.0, 4.0, 2.0), offset=(-4.0, 0.0, 1.0))
HELPED = ConfidenceFit(PLAIN.scale, PLAIN.offset, ((0.0, 0.0, 0.0), (3.0, 0.0, 0.5), (0.0, 0.0, 0.0)))
MAPS = hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-1e6, 1e6, width=32))


def sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def test_evidence_is_the_activation_at_the_peak_of_the_refined_map() -> None:
    cam = np.zeros((3, 2, 2), np.float32)
    cam[1, 0, 1], cam[1, 1, 0] = 0.75, 9.0
    refined = np.zeros_like(cam)
    refined[1, 0, 1] = 1.0
    np.testing.assert_array_equal(evidence(cam, refined), [0, 0.75, 0])


def test_a_fitted_confidence_is_a_logistic_curve_of_the_evidence() -> None:
    found = PLAIN.confidences(np.array([[0.75, -1.0, 0.0], [0.0, 2.0, 1.0]]))
    wanted = [[sigmoid(2), sigmoid(-4), sigmoid(1)], [sigmoid(-4), sigmoid(8), sigmoid(3)]]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_evidence_of_other_actions_counts_for_those_that_it_helps() -> None:
    values = np.array([1.5, 0.25, -2.0])
    found = HELPED.confidences(values)
    assert found[1] == pytest.approx(sigmoid(4 * 0.25 + 3 * 1.5 - 0.5 * 2))
    np.testing.assert_array_equal(found[[0, 2]], PLAIN.confidences(values)[[0, 2]])


def test_without_a_fit_it_is_the_class_probability() -> None:
    cam = np.stack([np.full((2, 2), value, np.float32) for value in (1.0, 2.0, 4.0)])
    np.testing.assert_allclose(
        class_probabilities(cam), np.exp([1, 2, 4]) / np.exp([1, 2, 4]).sum(), rtol=1e-6
    )


@given(maps=MAPS)
def test_a_confidence_is_a_probability_whatever_the_maps(maps: np.ndarray) -> None:
    for found in (HELPED.confidences(evidence(maps, maps)), class_probabilities(maps)):
        assert found.shape == (3,) and (found >= 0).all() and (found <= 1).all()
