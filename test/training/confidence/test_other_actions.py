"""Whether other actions count for an action's confidence, and how much."""

import numpy as np
import pytest

from selcon_training.confidence.evidence import area_under_roc
from selcon_training.confidence.fitting import MIN_EXAMPLES
from selcon_training.confidence.other_actions import weights_with_others


def drawn(rng, count, *means):
    return rng.normal(means, 0.3, (count, len(means)))


def test_other_actions_count_where_they_tell_the_scenes_apart():
    """Action 1 is far from sure of itself; where it is possible, so is action 0 or action 2."""
    rng = np.random.default_rng(0)
    kinds = [drawn(rng, 100, 1, 0.5, 0), drawn(rng, 100, 0, 0.5, 1)]
    positives, negatives = rng.permutation(np.concatenate(kinds)), drawn(rng, 200, 0, 0.3, 0)[:, None]
    weights = weights_with_others(positives, [negatives], 1)
    assert (weights > 0).all()
    new, held = (
        np.concatenate([drawn(rng, 100, 1, 0.5, 0), drawn(rng, 100, 0, 0.5, 1)]),
        drawn(rng, 200, 0, 0.3, 0),
    )
    assert area_under_roc(new @ weights, held @ weights) > area_under_roc(new[:, 1], held[:, 1]) + 0.1


def test_an_action_that_says_enough_of_itself_stays_alone():
    rng = np.random.default_rng(1)
    positives, negatives = drawn(rng, 150, 0, 1, 0), drawn(rng, 150, 0, 0, 0)[:, None]
    assert weights_with_others(positives, [negatives], 1) is None


def test_no_action_speaks_against_another():
    """Action 0 is never possible with action 1 here, which is chance; action 2 helps."""
    rng = np.random.default_rng(2)
    positives, negatives = drawn(rng, 200, 0, 0.4, 1), drawn(rng, 200, 1, 0.3, 0)[:, None]
    weights = weights_with_others(positives, [negatives], 1)
    assert weights[0] == 0 and weights[1] > 0 and weights[2] > 0


def test_each_source_of_negatives_weighs_the_same():
    """A source of many pictures, of which action 0 says nothing, does not drown one of few."""
    rng = np.random.default_rng(3)
    positives, many, few = drawn(rng, 200, 1, 0.5), drawn(rng, 4000, 1, -0.5), drawn(rng, 40, 0, 0.5)
    told = weights_with_others(positives, [many.reshape(500, 8, 2), few[:, None]], 1)
    alone = weights_with_others(positives, [np.concatenate([many, few])[:, None]], 1)
    assert alone is None and told[0] > 0


def test_more_pictures_of_one_source_do_not_change_the_weights():
    rng = np.random.default_rng(3)
    positives = drawn(rng, 200, 0.6, 0.5)
    first, second = drawn(rng, 200, 0.6, 0.1)[:, None], drawn(rng, 200, 0.2, 0.5)[:, None]
    wanted = weights_with_others(positives, [first, second], 1)
    for sources in ([first.repeat(20, axis=0), second], [first, second.repeat(20, axis=0)]):
        np.testing.assert_allclose(weights_with_others(positives, sources, 1), wanted, rtol=0.05)


def test_a_gain_on_the_scenes_fitted_to_is_none():
    """Eleven actions of mere noise: fitted to few scenes they tell these apart, but no others."""
    rng = np.random.default_rng(8)
    positives, negatives = rng.normal(0, 0.3, (24, 12)), rng.normal(0, 0.3, (24, 12))
    positives[:, 0] += 0.4
    assert weights_with_others(positives, [negatives[:, None]], 0) is None


@pytest.mark.parametrize(
    ("positives", "negatives"), [(2 * MIN_EXAMPLES - 1, 50), (50, 2 * MIN_EXAMPLES - 1), (50, 0)]
)
def test_too_few_examples_tell_nothing_of_others(positives, negatives):
    rng = np.random.default_rng(4)
    assert (
        weights_with_others(drawn(rng, positives, 1, 0.4), [drawn(rng, negatives, 0, 0.3)[:, None]], 1)
        is None
    )


@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_evidence_that_hardly_changes_has_no_weight(noise):
    """Its own rounding would get weights of many millions, which no bundle may have."""
    rng = np.random.default_rng(5)
    positives, negatives = drawn(rng, 80, 1, 0, 0.6), drawn(rng, 80, 0, 0, 0.3)
    positives[:, 1] = 0.1 + noise * (1 + rng.random(80))
    negatives[:, 1] = 0.1 + noise * rng.random(80)
    weights = weights_with_others(positives, [negatives[:, None]], 2)
    assert weights[1] == 0 and weights[0] > 0 and weights[2] > 0
    assert weights_with_others(positives, [negatives[:, None]], 1) is None


def test_an_action_whose_own_evidence_speaks_against_it_stays_alone():
    """Else it would be the surer, the less the network finds of it."""
    rng = np.random.default_rng(6)
    positives, negatives = drawn(rng, 100, 1, 0.3, 0), drawn(rng, 100, 0, 0.8, 0)[:, None]
    assert weights_with_others(positives, [negatives], 1) is None


@pytest.mark.parametrize("gap", [10.0, 1e6])
def test_scenes_that_others_tell_apart_without_fault_give_finite_weights(gap):
    rng = np.random.default_rng(7)
    positives, negatives = drawn(rng, 100, gap, 0.3), drawn(rng, 100, 0, 0.2)
    weights = weights_with_others(positives, [negatives[:, None]], 1)
    assert np.isfinite(weights).all() and (weights > 0).all()
    assert area_under_roc(positives @ weights, negatives @ weights) == 1
