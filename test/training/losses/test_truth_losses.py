"""Losses against truth maps: right at known values, blind where truth is unknown, finite everywhere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.grounding.heatmap import refine as refine_in_use
from selcon_training.config.sections import DenseConfig
from selcon_training.losses.truth_losses import AffinityReadout, dense_losses, refine

ALL = DenseConfig(cam=1, dice=1, refined=1, affinity=1)


def maps(seed=0, batch=2, classes=3):
    draw = torch.Generator().manual_seed(seed)
    cam = torch.randn(batch, classes, 4, 5, generator=draw)
    affinity = torch.rand(batch, classes, 4, 5, generator=draw) * 2 - 1
    truth = (torch.rand(batch, classes, 4, 5, generator=draw) - 0.7).clamp(min=0) / 0.3
    return cam, affinity, truth, torch.ones(batch, classes, dtype=torch.bool)


def losses(cam, affinity, truth, known, config=ALL, calibration="continuous"):
    return dense_losses(cam, affinity, truth, known, config, calibration, 0.6, AffinityReadout(0.02))


def test_cross_entropy_is_divided_by_the_truths_mass():
    cam, affinity, truth, known = maps()
    config = DenseConfig(cam=1, refined=0, affinity=0)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(cam, truth, reduction="sum") / truth.sum()
    found = losses(cam, affinity, truth, known, config)
    assert set(found) == {"loss", "cam"} and float(found["loss"]) == pytest.approx(float(expected))


def test_more_weight_on_positives_and_less_on_easy_cells():
    cam, affinity, truth, known = maps()
    plain, heavy, focal = (
        float(losses(cam, affinity, truth, known, DenseConfig(refined=0, affinity=0, **more))["cam"])
        for more in ({}, {"pos_weight": 3.0}, {"focal_gamma": 2.0})
    )
    assert focal < plain < heavy


def test_unknown_truth_has_no_say():
    cam, affinity, truth, known = maps()
    known[0, 1] = False
    cam.requires_grad_()
    losses(cam, affinity, truth, known)["loss"].backward()
    assert not cam.grad[0, 1].any() and cam.grad[0, 0].any()
    other = truth.clone()
    other[0, 1] = 1 - other[0, 1]
    assert torch.equal(
        losses(cam, affinity, truth, known)["loss"], losses(cam, affinity, other, known)["loss"]
    )


def test_a_perfect_heatmap_costs_nothing():
    _, _, truth, known = maps()
    truth = (truth > 0.5).float()
    truth[:, :, 0, 0] = 1.0
    found = losses(truth * 60 - 30, truth, truth, known)
    assert float(found["refined"]) == pytest.approx(0, abs=0.02)
    assert float(found["dice"]) == pytest.approx(0, abs=1e-4) and float(found["cam"]) == pytest.approx(
        0, abs=1e-4
    )


@pytest.mark.parametrize("calibration", ["continuous", "binarized", "none"])
def test_the_heatmap_is_the_one_in_use(calibration):
    cam, affinity, _, _ = maps()
    ours = refine(cam, affinity, calibration, 0.6).numpy()
    assert np.allclose(ours, refine_in_use(cam.numpy(), affinity.numpy(), calibration, 0.6), atol=1e-6)


@given(
    seed=st.integers(0, 50),
    empty=st.booleans(),
    flat=st.booleans(),
    unknown=st.booleans(),
    size=st.sampled_from([0.0, 1.0, 80.0]),
)
@settings(max_examples=40, deadline=None)
def test_finite_with_gradients_for_every_degenerate_case(seed, empty, flat, unknown, size):
    cam, affinity, truth, known = maps(seed, batch=1)
    cam, affinity = (
        (cam * size).requires_grad_(),
        (torch.zeros_like(affinity) if flat else affinity).requires_grad_(),
    )
    truth = truth * (0.0 if empty else 1.0)
    known = known & (not unknown)
    found = losses(cam, affinity, truth, known)
    found["loss"].backward()
    assert all(torch.isfinite(value).all() for value in (*found.values(), cam.grad, affinity.grad))


def test_training_on_the_losses_fits_truth_with_both_maps():
    cam, affinity, truth, known = maps()
    cam, affinity = torch.zeros_like(cam).requires_grad_(), (0.1 * affinity).requires_grad_()
    readout = AffinityReadout(0.1)
    optimiser = torch.optim.Adam([cam, affinity, *readout.parameters()], lr=0.1)
    first = None
    for _ in range(150):
        optimiser.zero_grad()
        found = dense_losses(cam, affinity, truth, known, ALL, "continuous", 0.6, readout)
        found["loss"].backward()
        optimiser.step()
        first = first or {name: float(value.detach()) for name, value in found.items()}
    assert all(float(found[name].detach()) < 0.8 * first[name] for name in ("cam", "refined", "affinity"))
    assert torch.equal(cam.flatten(2).argmax(2), truth.flatten(2).argmax(2))
