"""A classifier made of text features: its gradients, its convolution, that it learns, and its checkpoint."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from selcon_training.config import parse_config
from selcon_training.encoders import load_clip, load_dino
from selcon_training.export.bundle import export_graph
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.models.heads import Heads, TextClassifier
from selcon_training.models.selcon_net import SelconNet
from selcon_training.training.trainer import Trainer
from support import nets
from support.dataset import config_values, make_dataset

WIDTH, TEXT = 12, 7


def classifier(cells=1, actions=3):
    torch.manual_seed(0)
    made = TextClassifier(F.normalize(torch.randn(actions, TEXT), dim=-1), WIDTH, cells)
    with torch.no_grad():
        made.bias.fill_(0.3)
        made.log_scale.fill_(0.7)
    return made


def test_the_cam_is_the_scaled_inner_product_with_the_projected_text():
    made, x = classifier(), torch.randn(2, WIDTH, 4, 5)
    for action in range(3):
        text = made.text[action] - made.text.mean(0)
        direction = made.projection.weight @ (text / text.norm())
        wanted = torch.einsum("bdhw,d->bhw", x, direction) * np.exp(0.7) + 0.3
        torch.testing.assert_close(made(x)[:, action], wanted)
    other = F.normalize(torch.randn(5, TEXT), dim=-1)
    assert made(x, other).shape == (2, 5, 4, 5)
    torch.testing.assert_close(made(x, made.text[[2]]), made(x)[:, [2]])


def test_what_all_prompts_have_in_common_does_not_matter():
    made, x = classifier(), torch.randn(2, WIDTH, 4, 5)
    before, common = made(x), torch.randn(TEXT)
    made.text += common
    torch.testing.assert_close(made(x), before)
    torch.testing.assert_close(made(x, made.text[[1]]), before[:, [1]])
    alone = classifier(actions=1)
    assert alone(x).std() > 0  # a single action has nothing in common with others


@pytest.mark.parametrize("cells", [1, 4])
def test_for_a_class_list_it_is_an_ordinary_convolution(cells):
    made, x = classifier(cells), torch.randn(2, WIDTH, 4, 5)
    baked = made.as_convolution()
    assert type(baked) is torch.nn.Conv2d and baked.weight.shape == (3 * cells, WIDTH, 1, 1)
    torch.testing.assert_close(baked(x), made(x))


def test_gradients_reach_all_that_learns_and_not_the_text():
    made, x = classifier(), torch.randn(2, WIDTH, 4, 5)
    made(x).square().mean().backward()
    assert {name for name, _ in made.named_parameters()} == {"projection.weight", "log_scale", "bias"}
    assert all(parameter.grad.abs().max() > 0 for parameter in made.parameters())
    assert "text" not in made.state_dict() and not made.text.requires_grad


def test_logits_start_about_as_small_as_a_convolutions():
    torch.manual_seed(0)
    text = F.normalize(torch.randn(8, 512), dim=-1)
    parts = torch.randn(4, 384, 6, 6)
    plain, made = Heads(384, 8), Heads(384, 8, text=text)
    shared = {key: value for key, value in plain.state_dict().items() if "classifier" not in key}
    made.load_state_dict(shared, strict=False)
    with torch.no_grad():
        sizes = [heads.cam(parts).abs().mean() for heads in (plain, made)]
    assert sizes[1] < 3 * sizes[0] and sizes[1] < 1


def test_a_linear_classifier_answers_its_class_list_only():
    net = nets.small_net()
    with pytest.raises(ValueError, match="class list only"):
        net(torch.randn(1, 3, 64, 96), net.text_action)
    with pytest.raises(ValueError, match="classifier must be"):
        nets.small_net(classifier="quadratic")


@pytest.mark.parametrize("upscale", [1, 2])
def test_asked_by_text_the_network_answers_as_by_class_list(upscale):
    net = nets.small_net(classifier="text", cam_activation="sigmoid", upscale=upscale)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        for ours, wanted in zip(net(images, net.text_action[[2, 0]]), net(images), strict=True):
            torch.testing.assert_close(ours, wanted[:, [2, 0]])


def test_the_robots_graph_is_that_of_a_linear_network():
    """Baked in, not one operator more: the same graph, and the network keeps its own classifier."""
    import onnx

    made = nets.small_net(classifier="text")
    baked = nets.small_net()
    baked.heads.classifier = made.heads.classifier.as_convolution()
    graphs = [onnx.load_from_string(export_graph(net)).graph for net in (made, baked)]
    assert [n.op_type for n in graphs[0].node] == [n.op_type for n in graphs[1].node]
    assert isinstance(made.heads.classifier, TextClassifier)


def test_a_checkpoint_keeps_it(tmp_path):
    clip = load_clip({"name": nets.register_small_clip(tmp_path)}, (64, 96))
    net = SelconNet(clip, load_dino({"name": "test_vit"}, (64, 96)), nets.ACTIONS, classifier="text").eval()
    save_model(tmp_path / "run", net)
    again, _ = load_model(tmp_path / "run")
    assert again.classifier == "text"
    images = torch.randn(1, 3, 64, 96)
    for ours, theirs in zip(again(images), net(images), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("supervision", ["weak", "dense"])
def test_it_learns(tmp_path, supervision):
    """On coloured squares the loss falls, and the projection of the text has moved."""
    root = make_dataset(tmp_path / "data", train=6, val=0, test=1, negatives=1)
    name = nets.register_small_clip(tmp_path)
    values = config_values(
        root,
        tmp_path / "run",
        classifier="text",
        supervision=supervision,
        encoders={"clip": {"name": name}, "dino": {"name": "test_vit"}},
        optimiser={"kind": "adamw", "lr": 0.003},
        schedule={"epochs": 10, "batch_size": 6},
        validation={"held_out": 0.0},
        upscale=2 if supervision == "dense" else 1,
        weak={"lambda_proto": 0.0, "lambda_pixel": 0.0},
    )
    trainer = Trainer(parse_config(values))
    before = trainer.net.heads.classifier.projection.weight.detach().clone()
    assert trainer.run()
    moved = (trainer.net.heads.classifier.projection.weight - before).abs().max()
    assert moved > 1e-3
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["train"]["loss"] for line in lines]
    assert sum(losses[-3:]) / 3 < 0.95 * sum(losses[:2]) / 2  # half of an epoch's samples are ambiguous
