"""The confidence of what is asked of photos: that of the action asked, as the node has it."""

import numpy as np

from selcon_ros.core.grounding.confidence import ConfidenceFit
from selcon_training.adapt.measure import PhotoAnswer, any_published, confidences, figures

FIT = ConfidenceFit((1.0, 2.0, 3.0), (0.0, -1.0, 1.0), ((0.0,) * 3, (0.0,) * 3, (2.0, 0.5, 0.0)))
EVIDENCE = np.array([1.0, -1.0, 0.5])


def asked(action, there=False):
    return PhotoAnswer("a", "mug", action, there, EVIDENCE, None, None, np.zeros((2, 2), np.float32))


def test_a_confidence_is_of_the_action_asked_and_counts_the_others():
    found = confidences([asked(2), asked(0), asked(1)], FIT)
    logits = np.array([3 * 0.5 + 2 * 1 - 0.5 + 1, 1, -3])
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)))
    assert figures([asked(2), asked(1)], FIT)["published_absent"] == 0.5


def test_without_a_fit_it_is_the_evidence_of_the_action_asked():
    np.testing.assert_array_equal(confidences([asked(1), asked(2)], None), [-1.0, 0.5])


def test_where_nothing_was_asked_there_is_no_confidence():
    """Without --negatives nothing is asked of negative pictures."""
    for fit in (FIT, None):
        assert confidences([], fit).shape == (0,)
    assert any_published([], FIT)["photos"] == 0
