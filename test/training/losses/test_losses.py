"""The contrastive losses: the authors' numbers, gradients, and every degenerate input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.losses.pixel import pixel_loss, positive_set
from selcon_training.losses.prototypical import prototypical_loss
from support.parity import numbers, relative

TOLERANCE = 1e-4


@pytest.mark.parametrize("case", ["a", "b"])
def test_prototypical_loss_and_gradients_are_the_authors(case):
    data = numbers(f"prototypical_loss_{case}")
    ego, exo = data["ego_features"].requires_grad_(), data["exo_features"].requires_grad_()
    loss = prototypical_loss(
        ego, exo, data["labels"], data["reliable"].bool(), data["ego_object_affinity"],
        data["ego_mask"], data["exo_mask"],
        1 - data["ego_mask"] * data["ego_cam"], 1 - data["exo_mask"] * data["exo_cam"],
    )  # fmt: skip
    loss.backward()
    assert loss.item() == pytest.approx(data["loss"], rel=TOLERANCE)
    assert relative(ego.grad, data["grad_ego"]) < TOLERANCE
    assert relative(exo.grad, data["grad_exo"]) < TOLERANCE


@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize(("variant", "suffix"), [("paper", "_paper"), ("official", "")])
def test_pixel_loss_and_gradients_are_the_authors(case, variant, suffix):
    data = numbers(f"pixel_loss_{case}")
    features = data["features"].requires_grad_()
    loss = pixel_loss(
        features, data["ego_similarity"], data["exo_similarity"], data["gamma"], variant=variant
    )
    loss.backward()
    assert loss.item() == pytest.approx(data["loss" + suffix], rel=TOLERANCE)
    assert relative(features.grad, data["grad" + suffix]) < TOLERANCE


def test_positive_pixels_are_above_rho_or_else_above_gamma():
    data = numbers("pixel_loss_b")
    members = positive_set(data["ego_similarity"], data["exo_similarity"], data["gamma"])
    fallback = int(data["fallback_foreground"][0].sum())
    assert members.sum(dim=1).tolist() == [fallback, *data["n_above_rho"][1:].tolist()]


def pixel(features, ego, exo, variant="paper"):
    """Run the loss with gradients and insist that all is finite."""
    features = features.clone().requires_grad_()
    loss = pixel_loss(features, ego, exo, variant=variant)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(features.grad).all()
    return loss.item(), features.grad


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_pixel_loss_of_degenerate_maps_is_finite(variant):
    torch.manual_seed(0)
    features, exo = torch.randn(2, 8, 4, 5), torch.rand(2, 3, 4, 5)
    constant, low = torch.zeros(2, 4, 5), torch.rand(2, 4, 5) - 5
    one = torch.zeros(2, 4, 5)
    one[:, 1, 2] = 9.0
    pixel(features, constant, exo, variant)  # no pixel above ρ, none above γ
    pixel(features, low, exo, variant)  # object level
    pixel(features, one, exo, variant)  # one member
    pixel(features, torch.full((2, 4, 5), 9.0), exo, variant)  # every pixel is a member
    pixel(torch.zeros(2, 8, 4, 5), low, exo, variant)  # features without a direction
    pixel(torch.ones(2, 8, 4, 5), low, exo, variant)
    pixel(features[:1], low[:1], exo[:1, :1], variant)  # a batch of one with one exocentric image
    pixel(features[:, :, :1, :1], low[:, :1, :1], exo[:, :, :1, :1], variant)  # a map of one pixel


def test_the_object_level_never_narrows_the_positive_set():
    torch.manual_seed(0)
    features, ego = torch.randn(2, 8, 4, 5), torch.rand(2, 4, 5)
    low, high = torch.zeros(2, 3, 4, 5), torch.full((2, 3, 4, 5), 2.0)
    part = pixel_loss(features, ego, low), pixel_loss(features, ego, high)
    level = [pixel_loss(features, ego, exo, level="object") for exo in (low, high)]
    assert part[0] != part[1] and level[0] == level[1] == part[1]


def test_samples_with_fewer_than_two_members_add_nothing():
    torch.manual_seed(0)
    features, exo = torch.randn(2, 8, 4, 5), torch.zeros(2, 3, 4, 5)
    ego = -torch.rand(2, 4, 5)
    ego[0, 0, 0] = 1.0
    ego[1, :2, 0] = 1.0
    both, gradient = pixel(features, ego, exo)
    alone, _ = pixel(features[1:], ego[1:], exo[1:])
    assert both == pytest.approx(alone / 2, rel=1e-5)
    assert not gradient[0].any()


def prototypical_case(batch, views, labels, reliable, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.rand(shape, generator=generator)  # noqa: E731
    ego = ((draw(batch, 6, 3, 4) - 0.5) * scale).requires_grad_()
    exo = ((draw(batch * views, 6, 3, 4) - 0.5) * scale).requires_grad_()
    maps = [draw(n, 3, 4) for n in (batch, batch, batch * views, batch, batch * views)]
    return ego, exo, torch.tensor(labels), torch.tensor(reliable), maps


def by_hand(ego, exo, labels, reliable, maps, tau, tau0):
    """method.md §5 spelled out, sample by sample."""
    anchor_map, ego_positive, exo_positive, ego_negative, exo_negative = maps
    views = len(exo) // len(ego)

    def norm(vector):
        return vector / vector.norm()

    def pooled(z, m):
        return norm((z * m).mean(dim=(1, 2)))

    entries = []
    for b in range(len(ego)):
        entries.append(
            ("ego", b, labels[b], pooled(ego[b], ego_positive[b]), pooled(ego[b], ego_negative[b]))
        )
    for i in range(len(exo)):
        label = labels[i // views]
        entries.append(("exo", i, label, pooled(exo[i], exo_positive[i]), pooled(exo[i], exo_negative[i])))
    total = 0.0
    for b in range(len(ego)):
        anchor = pooled(ego[b], anchor_map[b]) if reliable[b] else norm(ego[b].mean(dim=(1, 2)))
        positives, others = [], []
        for view, index, label, positive, negative in entries:
            own = view == "ego" and index == b
            if label == labels[b]:
                others.append(anchor @ negative / tau)
                if not own:
                    positives.append(anchor @ positive / tau)
            else:
                others.append(anchor @ positive / tau)
        logits = torch.stack(positives + others)
        total = total - (tau / tau0) * (torch.stack(positives) - logits.logsumexp(0)).mean()
    return total / len(ego)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_prototypical_loss_is_the_equation_spelled_out(data):
    batch, views = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    labels = data.draw(st.lists(st.integers(0, 2), min_size=batch, max_size=batch))
    reliable = data.draw(st.lists(st.booleans(), min_size=batch, max_size=batch))
    case = prototypical_case(batch, views, labels, reliable, seed=data.draw(st.integers(0, 99)))
    ego, exo, label, trusted, maps = case
    loss = prototypical_loss(ego, exo, label, trusted, *maps, tau=0.4, tau0=0.1)
    wanted = by_hand(*case, tau=0.4, tau0=0.1)
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=1e-5)
    got = torch.autograd.grad(loss, [ego, exo])
    for ours, theirs in zip(got, torch.autograd.grad(wanted, [ego, exo]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("labels", [[0], [1, 1, 1], [0, 1, 2]])
@pytest.mark.parametrize("reliable", [False, True])
@pytest.mark.parametrize("zero", ["nothing", "masks", "features"])
def test_prototypical_loss_of_degenerate_batches_is_finite(labels, reliable, zero):
    batch = len(labels)
    ego, exo, label, trusted, maps = prototypical_case(
        batch, 2, labels, [reliable] * batch, scale=0.0 if zero == "features" else 1.0
    )
    if zero == "masks":
        maps = [torch.zeros_like(m) for m in maps]
    loss = prototypical_loss(ego, exo, label, trusted, *maps)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(ego.grad).all() and torch.isfinite(exo.grad).all()
