"""Losses of a student: nothing where it answers as its teacher, more where it does not."""

import pytest
import torch

from selcon_training.losses.distillation import distillation_losses


def target(seed=0):
    heat = torch.rand((2, 3, 5, 6), generator=torch.Generator().manual_seed(seed)) ** 4
    heat = heat - heat.amin(dim=(-2, -1), keepdim=True)
    heat = heat / heat.amax(dim=(-2, -1), keepdim=True)
    return heat * torch.tensor([0.9, 0.5, 0.01])[:, None, None]


def test_the_teachers_own_answer_costs_nothing():
    losses = distillation_losses(target().clamp(1e-7, 1 - 1e-7).logit(), target())
    assert all(float(value) == pytest.approx(0.0, abs=1e-4) for value in losses.values())


def test_every_term_sees_its_own_fault():
    given = target()
    half = distillation_losses((0.5 * given).clamp(1e-7).logit(), given)
    assert float(half["kld"]) == pytest.approx(0.0, abs=1e-4)  # the map is right, though not as hot
    assert float(half["heat"]) > 0.05 and float(half["peak"]) > 0.05
    moved = distillation_losses(given.roll(2, dims=-1).clamp(1e-7, 1 - 1e-7).logit(), given)
    assert float(moved["kld"]) > 0.5 and float(moved["peak"]) == pytest.approx(0.0, abs=1e-4)


def test_maps_count_by_the_teachers_confidence():
    given = target()
    wrong = given.clone()
    wrong[:, 2] = wrong[:, 2].flip(-1)  # of the action that the teacher is sure is not there
    faint = distillation_losses(wrong.clamp(1e-7, 1 - 1e-7).logit(), given)["kld"]
    wrong = given.clone()
    wrong[:, 0] = wrong[:, 0].flip(-1)
    assert float(distillation_losses(wrong.clamp(1e-7, 1 - 1e-7).logit(), given)["kld"]) > 30 * float(faint)


def test_gradients_are_finite_for_pictures_of_nothing():
    logits = torch.full((2, 3, 5, 6), -4.0, requires_grad=True)
    distillation_losses(logits, torch.zeros(2, 3, 5, 6))["loss"].backward()
    assert bool(logits.grad.isfinite().all()) and bool((logits.grad >= 0).all())
