"""The whole weakly supervised objective on small networks."""

import math

import pytest
import torch
import torch.nn.functional as F

from selcon_training.config import ConfigError, parse_config
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.errors import ObjectiveError
from selcon_training.losses.part_discovery import discover
from selcon_training.losses.weak import ClassScores, WeakStep, object_maps, weak_losses
from selcon_training.models.map_ops import local_mean
from selcon_training.models.selcon_net import Features
from support import nets

SIZE, GRID = (64, 96), (4, 6)
PAPER = WeakObjectiveConfig()


@pytest.fixture(scope="module")
def net():
    return nets.small_net(SIZE).train()


def features(count, seed=0, constant=False):
    """Random features as the encoders would give them."""
    draw = torch.Generator().manual_seed(seed)
    shape = (count, 1, 1) if constant else (count, *GRID)

    def spread(channels):
        values = torch.randn(shape[0], channels, *shape[1:], generator=draw)
        return values.expand(-1, -1, *GRID).clone()

    saliency = torch.zeros(count, *GRID) if constant else torch.rand(count, *GRID, generator=draw)
    return Features(spread(48), F.normalize(spread(24), dim=1), saliency)


def run(net, labels, config=PAPER, first_epoch=False, constant=False, views=3, **options):
    net.zero_grad()
    batch = len(labels)
    ego, exo = features(batch, 1, constant), features(batch * views, 2, constant)
    step = WeakStep(ego, exo, torch.tensor(labels), first_epoch, torch.Generator().manual_seed(0))
    losses = weak_losses(net, step, config, **options)
    losses["loss"].backward()
    gradients = {name: p.grad for name, p in net.heads.named_parameters() if p.grad is not None}
    assert all(math.isfinite(value.item()) for value in losses.values())
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    return losses, gradients


def test_the_parts_add_up_and_every_head_learns(net):
    config = WeakObjectiveConfig(lambda_proto=0.5, lambda_pixel=0.25, alpha=0.0)
    losses, gradients = run(net, [0, 1, 1, 2], config)
    total = losses["cross_entropy"] + 0.5 * losses["prototypical"] + 0.25 * losses["pixel"]
    torch.testing.assert_close(losses["loss"].detach(), total)
    assert set(gradients) == {name for name, _ in net.heads.named_parameters()}
    assert losses["prototypical"] > 0 and losses["pixel"] > 0 and losses["reliable"] > 0
    assert all(gradient.any() for name, gradient in gradients.items() if "projection.0.bias" not in name)


def test_cross_entropy_is_on_the_mean_cam_of_both_views(net):
    ego, exo, labels = features(2, 1), features(4, 2), torch.tensor([2, 0])
    ego_logits = net.ego(ego).cam.mean(dim=(2, 3))
    exo_logits = net.exo(exo).cam.mean(dim=(2, 3))
    wanted = F.cross_entropy(ego_logits, labels)
    wanted = wanted + sum(F.cross_entropy(exo_logits[v::2], labels) for v in range(2)) / 2
    losses = weak_losses(net, WeakStep(ego, exo, labels), PAPER, contrastive=False)
    torch.testing.assert_close(losses["loss"], wanted)


@pytest.mark.parametrize("first_epoch", [True, False])
@pytest.mark.parametrize("labels", [[0], [1, 1, 1], [0, 1, 2]])
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_degenerate_batches_are_finite(net, first_epoch, labels, constant, alpha):
    for variant, negative in (("paper", "relu"), ("official", "minmax")):
        config = WeakObjectiveConfig(
            alpha=alpha, pixel_variant=variant, negative_cam=negative, piou="corrected"
        )
        run(net, labels, config, first_epoch, constant, views=1 if len(labels) == 3 else 2)


def test_no_reliable_sample_uses_the_object_maps(net):
    losses, _ = run(net, [0, 1], WeakObjectiveConfig(alpha=1.0, piou="corrected"))
    assert losses["reliable"] == 0


def test_object_level_prototypes_are_those_of_samples_without_a_reliable_part(net, monkeypatch):
    never = run(net, [0, 1], WeakObjectiveConfig(alpha=1.0, piou="corrected"))[0]
    monkeypatch.setattr(
        "selcon_training.losses.weak.discover", lambda *a, **k: pytest.fail("part discovery ran")
    )
    level = run(net, [0, 1], WeakObjectiveConfig(prototype_level="object"))[0]
    assert level["reliable"] == 0 and torch.equal(level["prototypical"], never["prototypical"])


def test_class_thresholds_follow_their_classes_scores(net):
    scores = ClassScores(3, start=0.6, momentum=0.5)
    scores.update(torch.tensor([1, 1, 2, 2]), torch.tensor([0.8, 0.6, 0.4, 0.0]))
    # Two scores of class 1 halve the distance to their mean twice; a score of 0 says nothing was found.
    torch.testing.assert_close(scores.mean, torch.tensor([0.6, 0.675, 0.5]))

    config = WeakObjectiveConfig(reliability="class")
    low, high = ClassScores(3, 0.0), ClassScores(3, 1.0)
    assert run(net, [0, 1], config, class_scores=low)[0]["reliable"] == 1
    assert run(net, [0, 1], config, class_scores=high)[0]["reliable"] == 0
    assert (low.mean[:2] > 0).all() and low.mean[2] == 0
    fixed = ClassScores(3, 0.0)
    run(net, [0, 1], PAPER, class_scores=fixed)
    assert not fixed.mean.any()


def test_the_first_epoch_trusts_no_cam(net):
    """Negative prototypes of 1 − M, and part discovery from A_exo alone: the CAM has no say in either."""
    config = WeakObjectiveConfig(lambda_pixel=0, alpha=0.0)
    weight = net.heads.classifier.weight
    before = run(net, [0, 1], config, first_epoch=True)[0]
    weight.data.neg_()
    after = run(net, [0, 1], config, first_epoch=True)[0]
    later = run(net, [0, 1], config, first_epoch=False)[0]
    weight.data.neg_()
    assert before["prototypical"] == pytest.approx(after["prototypical"].item(), rel=1e-5)
    assert later["prototypical"] != pytest.approx(after["prototypical"].item(), rel=1e-5)


def test_a_detached_cam_gets_no_gradient_from_the_prototypes(net):
    def classifier_gradient(kind):
        config = WeakObjectiveConfig(lambda_pixel=0, negative_cam=kind)
        whole = run(net, [0, 1], config)[1]["classifier.weight"].clone()
        return (
            whole
            - run(net, [0, 1], WeakObjectiveConfig(lambda_proto=0, lambda_pixel=0))[1]["classifier.weight"]
        )

    assert classifier_gradient("minmax").abs().max() < 1e-6
    assert classifier_gradient("relu").abs().max() > 1e-5


def test_minmaxed_object_maps_are_not_positive_where_both_cosines_are_negative(net):
    ego, exo, labels = features(2, 1), features(6, 2), torch.tensor([2, 0])
    # The first patch is as far from both texts of its action as a patch can be.
    for b in range(6):
        text = net.text_action[labels[b // 3]] + net.text_person[labels[b // 3]]
        exo.patches[b, :, :2, :2] = -(text / text.norm())[:, None, None]
    assert (object_maps(net, WeakStep(ego, exo, labels))[1][:, 0, 0] > 0).all()
    ego_map, exo_map = object_maps(net, WeakStep(ego, exo, labels), "minmax")
    assert ego_map.amin() == 0 and ego_map.amax() == 1 and exo_map.amin() >= 0 and exo_map.amax() <= 1
    assert (exo_map[:, 0, 0] < 0.05).all()


def test_object_maps_follow_the_method(net):
    ego, exo, labels = features(2, 1), features(6, 2), torch.tensor([2, 0])
    ego_map, exo_map = object_maps(net, WeakStep(ego, exo, labels))
    for b, label in enumerate(labels):
        text, person = net.text_action[label], net.text_person[label]
        torch.testing.assert_close(ego_map[b], torch.einsum("dhw,d->hw", ego.patches[b], text))
        for index in range(3 * b, 3 * b + 3):
            near = local_mean(torch.einsum("dhw,d->hw", exo.patches[index], person)[None])[0]
            torch.testing.assert_close(
                exo_map[index], near * torch.einsum("dhw,d->hw", exo.patches[index], text)
            )


def test_the_same_generator_gives_the_same_losses(net):
    first, second = run(net, [0, 1, 2])[0], run(net, [0, 1, 2])[0]
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_loss_with_weight_zero_is_not_computed(net, monkeypatch):
    monkeypatch.setattr(
        "selcon_training.losses.weak.discover", lambda *a, **k: pytest.fail("part discovery ran")
    )
    losses, _ = run(net, [0, 1], WeakObjectiveConfig(lambda_proto=0))
    assert losses["prototypical"] == 0 and losses["pixel"] > 0
    losses, _ = run(net, [0, 1], contrastive=False)
    assert losses["pixel"] == 0
    torch.testing.assert_close(losses["loss"].detach(), losses["cross_entropy"])


def test_warm_up_switches_the_contrastive_losses():
    config = WeakObjectiveConfig(warm_up_epochs=2)
    assert [config.contrastive(epoch) for epoch in range(4)] == [False, False, True, True]
    assert not WeakObjectiveConfig(lambda_proto=0, lambda_pixel=0).contrastive(9)


def test_part_discovery_gets_every_sample_its_own_exocentric_images(net, monkeypatch):
    seen = {}

    def spy(activation, ego, exo, saliency, **options):
        seen.update(activation=activation, exo=exo)
        return discover(activation, ego, exo, saliency, **options)

    monkeypatch.setattr("selcon_training.losses.weak.discover", spy)
    run(net, [0, 1], first_epoch=True)
    exo = features(6, 2)
    torch.testing.assert_close(seen["exo"][1, 0], exo.parts[3])
    _, maps = object_maps(net, WeakStep(features(2, 1), exo, torch.tensor([0, 1])))
    torch.testing.assert_close(seen["activation"][1, 0], maps[3])


@pytest.mark.parametrize(
    "bad",
    [
        {"gamma": 1.5},
        {"alpha": -1},
        {"clusters": 0},
        {"tau": 0},
        {"tau0": 0},
        {"lambda_proto": -1},
        {"lambda_pixel": -1},
        {"piou": "other"},
        {"pixel_variant": "x"},
        {"negative_cam": "x"},
        {"object_maps": "x"},
        {"warm_up_epochs": -1},
        {"prototype_level": "x"},
        {"pixel_level": "x"},
        {"reliability": "x"},
        {"selection": "x"},
        {"ego_descriptors": "x"},
        {"part_maps": "x"},
    ],
)
def test_bad_settings_are_named(bad):
    with pytest.raises(ConfigError, match=f"weak.{next(iter(bad))} = "):
        parse_config({"name": "x", "output": "runs/x", "data": {"root": "data"}, "weak": bad})


def test_batches_that_do_not_fit_are_named(net):
    with pytest.raises(ObjectiveError, match="multiple of exocentric"):
        weak_losses(net, WeakStep(features(2), features(3), torch.tensor([0, 1])), PAPER)
    ego = features(2)
    ego.saliency = None
    with pytest.raises(ObjectiveError, match="saliency"):
        weak_losses(net, WeakStep(ego, features(2), torch.tensor([0, 1])), PAPER)
