"""The network as a whole: shapes, modes and gradients."""

import pytest
import torch

from selcon_training.encoders import DenseClip, PartEncoder
from selcon_training.encoders.clip import action_prompt, person_prompt
from selcon_training.errors import EncoderError
from selcon_training.models.selcon_net import SelconNet
from support import nets

RECTANGLE = (64, 96)


def test_prompts_keep_the_label_and_add_with_once():
    assert action_prompt("hold") == "an item to hold with"
    assert action_prompt("cut_with") == "an item to cut_with"
    assert person_prompt("cut_with") == "a person cut_with an item"


@pytest.mark.parametrize("timm_tower", [False, True])
def test_one_pass_gives_every_action_on_a_rectangular_grid(timm_tower):
    net = nets.small_net((288, 384), timm_tower=timm_tower)
    cam, affinity = net(torch.randn(2, 3, 288, 384))
    assert cam.shape == affinity.shape == (2, 3, 18, 24)
    assert affinity.abs().max() <= 1 + 1e-5


def test_frozen_encoders_stay_in_evaluation_mode_without_gradients():
    net = nets.small_net(RECTANGLE).train()
    assert net.heads.training and not net.clip.training and not net.dino.training
    images = torch.randn(2, 3, *RECTANGLE)
    features = net.features(images, saliency=True)
    assert not features.parts.requires_grad and not features.patches.requires_grad
    assert features.saliency.min() >= 0 and features.saliency.max() <= 1
    net.train_encoders(True)
    features = net.features(images)
    assert net.clip.training and features.parts.requires_grad and features.patches.requires_grad
    assert features.saliency is None
    net(images)[0].sum().backward()
    assert net.dino.key.weight.grad is not None


def test_sigmoid_is_applied_to_the_output_but_not_to_what_losses_see():
    plain, dense = nets.small_net(RECTANGLE), nets.small_net(RECTANGLE, cam_activation="sigmoid")
    images = torch.randn(1, 3, *RECTANGLE)
    torch.testing.assert_close(dense(images)[0], plain(images)[0].sigmoid())
    torch.testing.assert_close(dense.ego(dense.features(images)).cam, plain(images)[0])


def test_encoders_must_see_the_same_image():
    clip = DenseClip(nets.clip_model(), (64, 96), tokenizer=nets.tokenizer())
    with pytest.raises(EncoderError, match=r"images of \(64, 96\), .* for \(96, 64\)"):
        SelconNet(clip, PartEncoder(nets.vit(), (96, 64)), nets.ACTIONS)


def test_a_finer_map_puts_the_cells_of_a_patch_where_they_are_in_it():
    net = nets.small_net(RECTANGLE, upscale=2)
    classes = len(net.actions)
    with torch.no_grad():
        net.heads.classifier.weight.zero_()
        # Cell k of class c is channel 4c + k: top left, top right, bottom left, bottom right.
        tens = 10.0 * torch.arange(classes).repeat_interleave(4)
        net.heads.classifier.bias.copy_(torch.arange(4.0).repeat(classes) + tens)
        features = net.features(torch.randn(2, 3, *RECTANGLE))
        cam, affinity = net.heads.cam(features.parts), net.affinity(features)
    rows, columns = net.grid
    assert cam.shape == affinity.shape == (2, classes, 2 * rows, 2 * columns)
    corner = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    for number in range(classes):
        assert torch.equal(cam[1, number], corner.repeat(rows, columns) + 10 * number)
    means = torch.nn.functional.avg_pool2d(affinity, 2)
    assert torch.allclose(means[..., 1:-1, 1:-1], smoothed(net, features)[..., 1:-1, 1:-1], atol=1e-5)


def smoothed(net, features):
    """The 2 x 2 mean of a bilinear doubling: weights 1/8, 3/4, 1/8 either way."""
    plain = torch.einsum("cd,bdhw->bchw", net.text_action, features.patches)
    kernel = torch.tensor([1 / 8, 3 / 4, 1 / 8])
    weights = torch.outer(kernel, kernel)[None, None].repeat(plain.shape[1], 1, 1, 1)
    return torch.nn.functional.conv2d(plain, weights, padding=1, groups=plain.shape[1])
