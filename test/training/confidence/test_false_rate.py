"""The confidence for a stated false rate: thresholds and the fit."""

from dataclasses import fields, replace

import numpy as np
import pytest

from selcon_training.confidence.evidence import VIEW_COUNT, Evidence, views
from selcon_training.confidence.false_rate import FalseRates, fit_for_rate, least_pictures, threshold


def test_new_pictures_pass_a_threshold_as_often_as_stated():
    rng = np.random.default_rng(0)
    passed = []
    for _ in range(400):
        pictures = rng.normal(size=(40, 1))
        views = pictures[:, :] + 0.3 * rng.normal(size=(40, 8))
        least = threshold(views, 0.1)
        passed.append((rng.normal(size=500) + 0.3 * rng.normal(size=500) >= least).mean())
    assert 0.06 < np.mean(passed) < 0.1


def test_a_threshold_lets_through_no_more_than_fits_one_more_picture():
    single = np.arange(100.0)[:, None]
    least = threshold(single, 0.05)  # 0.05 * 101 - 1 = 4.05
    assert (single >= least).sum() == 4
    assert (single >= threshold(single, 1 / 101)).sum() == 0
    assert (np.ones((100, 1)) >= threshold(np.ones((100, 1)), 0.05)).sum() == 0
    assert [least_pictures(rate) for rate in (0.03, 0.05, 0.1, 0.5)] == [33, 19, 9, 1]


def made(rng, scenes=300, pictures=60, actions=2):
    positive = rng.random((scenes, actions)) < 0.4
    values = 1 / (1 + np.exp(-np.where(positive, 2.0, -2.0) - rng.normal(0, 1, positive.shape)))
    negatives = rng.beta(1, 3, (pictures, VIEW_COUNT, actions))
    everywhere = np.ones(positive.shape, np.bool_)
    return Evidence(values, positive, everywhere, np.zeros(scenes, np.bool_)), negatives


def with_clutter(rng, evidence, count, mean):
    """The evidence with scenes of clutter, in which the network is `mean` sure of each action."""
    shape = (count, evidence.values.shape[1])
    more = Evidence(
        rng.normal(mean, 0.1, shape), np.zeros(shape, bool), np.ones(shape, bool), np.ones(count, np.bool_)
    )
    pairs = ((getattr(evidence, field.name), getattr(more, field.name)) for field in fields(Evidence))
    return Evidence(*map(np.concatenate, pairs))


def test_a_half_is_the_stated_rate_for_each_action_and_source():
    rng = np.random.default_rng(1)
    evidence, negatives = made(rng, actions=3)
    negatives[..., 1:] *= 0.1
    evidence = with_clutter(rng, evidence, 100, np.array([0.1, 0.1, 0.8]))
    names = ("cut", "hold", "open")
    rates = FalseRates(0.05, 0.1, 0.2)
    fitted = fit_for_rate(evidence, negatives, names, rates)
    assert (rates.scenes, rates.clutter) == (0.1, 0.2) and FalseRates(0.05, 0.1).clutter == 0.1
    decided = {}
    for index, name in enumerate(names):
        row = fitted.record["per_action"][name]
        passes = fitted.confidence.confidences(evidence.values)[:, index] >= 0.5
        absent = evidence.negative[:, index]
        shares = {
            "scenes": passes[absent & ~evidence.clutter].mean(),
            "clutter": passes[evidence.clutter].mean(),
            "real": (fitted.confidence.confidences(negatives)[..., index] >= 0.5).mean(),
        }
        allowed = {"scenes": 0.1, "clutter": 0.2, "real": 0.05}
        assert all(shares[source] <= allowed[source] for source in shares)
        decided[name] = row["decided_by"]
        assert shares[row["decided_by"]] > allowed[row["decided_by"]] / 3
        kept = passes[evidence.positive[:, index]].mean()
        assert row["kept"] == pytest.approx(kept, abs=1e-4) and kept > 0.5
        for source, key in (
            ("scenes", "scenes_passed"),
            ("clutter", "clutter_passed"),
            ("real", "real_passed"),
        ):
            assert row[key] == pytest.approx(shares[source], abs=1e-4)
    assert decided == {"cut": "real", "hold": "scenes", "open": "clutter"}


def test_a_lower_rate_never_keeps_more():
    evidence, negatives = made(np.random.default_rng(2))
    rates = [FalseRates(rate) for rate in (0.02, 0.1, 0.4)]
    kept = [fit_for_rate(evidence, negatives, ("a", "b"), each).record["kept"] for each in rates]
    assert kept == sorted(kept) and kept[0] < kept[-1]


def test_scenes_may_have_a_rate_of_their_own_and_too_few_decide_nothing():
    evidence, negatives = made(np.random.default_rng(4))
    negatives *= 0.1
    strict = fit_for_rate(evidence, negatives, ("a", "b"), FalseRates(0.05)).record
    lax = fit_for_rate(evidence, negatives, ("a", "b"), FalseRates(0.05, 0.3)).record
    assert strict["kept"] < lax["kept"] < lax["kept_by_real_alone"] == strict["kept_by_real_alone"]
    assert 0.2 < lax["per_action"]["a"]["scenes_passed"] <= 0.3 and lax["scene_false_rate"] == 0.3
    few = evidence.possible | (np.cumsum(~evidence.possible, axis=0) > 18)
    record = fit_for_rate(replace(evidence, possible=few), negatives, ("a", "b"), FalseRates(0.05)).record
    row = record["per_action"]["a"]
    assert row["negative_scenes"] < 19 and row["decided_by"] == "real"
    assert row["kept"] == row["kept_by_real_alone"]


def test_other_actions_count_where_they_help_and_the_rates_hold_then():
    """Of itself `hold` hardly tells scenes from clutter; the others, of which one is in each scene, do."""
    rng = np.random.default_rng(6)
    evidence, negatives = made(rng, actions=3)
    values, possible = evidence.values.copy(), evidence.possible.copy()
    tool = rng.integers(0, 2, len(values))
    possible[:, 0], possible[:, 1], possible[:, 2] = tool == 0, tool == 1, True
    values[:, :2] = np.where(possible[:, :2], 0.8, 0.1) + rng.normal(0, 0.1, (len(values), 2))
    values[:, 2] = rng.normal(0.6, 0.15, len(values))
    evidence = with_clutter(rng, replace(evidence, values=values, possible=possible), 200, [0.1, 0.1, 0.5])
    fitted = fit_for_rate(evidence, 0.1 * negatives, ("cut", "hit", "hold"), FalseRates(0.05, 0.1))
    others = np.array(fitted.confidence.others)
    assert not others[:2].any() and (others[2, :2] > 0).all()
    rows = fitted.record["per_action"]
    assert [rows[name]["others_count"] for name in rows] == [False, False, True]
    assert rows["hold"]["clutter_passed"] <= 0.1 and rows["hold"]["kept"] > 0.9
    assert fitted.curves()["others"] == list(fitted.confidence.others)


def test_without_any_positive_there_is_no_fit():
    evidence, negatives = made(np.random.default_rng(3))
    nowhere = replace(evidence, possible=evidence.possible & False)
    assert fit_for_rate(nowhere, negatives, "ab", FalseRates(0.1)) is None


def test_views_are_the_picture_and_parts_of_it():
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    seen = list(views(picture, 3))
    assert len(seen) == VIEW_COUNT and (seen[0] == picture).all()
    assert all(30 <= view.shape[0] <= 60 and 40 <= view.shape[1] <= 80 for view in seen)
    assert len({view.shape for view in seen}) > 4
    assert all((a == b).all() for a, b in zip(seen, views(picture, 3), strict=True))
    assert any(a.shape != b.shape for a, b in zip(seen, views(picture, 4), strict=True))
    assert all(view.shape == (1, 1, 3) for view in views(picture[:1, :1], 0))
