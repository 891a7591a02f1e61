"""The pipeline that makes the packaged bundle, at its smallest: render, pretrain, train, export, ground,
evaluate."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.pictures.picture_files import read_image, write_image
from selcon_ros.recording import read_recording
from selcon_tabletop import build
from selcon_tabletop.build import real_pictures
from selcon_training.config import load_config
from selcon_training.data.ordering import spread
from selcon_training.export import half_weights
from selcon_training.models.from_bundle import has_half_weights, restore

CONFIGS = Path(__file__).parents[2] / "training" / "configs"


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _with_few_pictures(world: Path, data: Path) -> None:
    """Link the data set to `data`, with eight pictures of each split; a build takes it for rendered."""
    shutil.copytree(world, data, copy_function=os.link)
    for split in data.glob("*/*/egocentric/.."):
        pictures = list(split.rglob("*.jpg"))
        kept = set(spread(sorted({path.stem for path in pictures}), 8))
        for path in pictures:
            if path.stem not in kept:
                path.unlink()


@pytest.fixture(scope="module")
def built(small_world, tmp_path_factory):
    work = tmp_path_factory.mktemp("build")
    _with_few_pictures(small_world, work / "data")
    # One of the two encoders is there; trained at once they take a process each (test_pretrain.py).
    encoders = ["--out", str(work / "encoders"), "--which", "clip", "--epochs", "1", "--threads", "1"]
    _run("tabletop", "pretrain", str(work / "data"), *encoders)
    arguments = [
        "tabletop",
        "build",
        "--work",
        str(work),
        "--out",
        str(work / "bundle"),
        "--scale",
        "0",
        "--config",
        str(CONFIGS / "tabletop_dense.yaml"),
        "--pretrain-epochs",
        "1",
        "--set",
        "schedule.epochs=1",
        "--set",
        "validation.limit=4",
        "--set",
        "data.cache=false",
    ]
    _run(*arguments)
    return work, arguments


def test_the_bundle_says_what_it_was_trained_on(built):
    manifest = json.loads((built[0] / "bundle" / "manifest.json").read_text())
    assert manifest["training"]["synthetic"] is True
    assert "synthetic" in manifest["description"] and "real cameras" in manifest["description"]
    assert manifest["input_size"] == [288, 384] and len(manifest["actions"]) == 8
    assert manifest["confidence"] is not None


def test_the_bundle_brings_validation_pictures(built):
    samples = read_samples(load_bundle(built[0] / "bundle"))
    listed = sorted((built[0] / "data/Seen/valset/egocentric").rglob("*.jpg"))
    assert len(samples) == 8 <= len(listed)
    for sample, path in ((samples[0], listed[0]), (samples[-1], listed[-1])):
        assert np.abs(sample.astype(int) - read_image(path)).mean() < 3  # JPEG twice


def test_the_same_command_again_does_nothing_twice(built):
    work, arguments = built
    weights = (work / "encoders" / "dino.safetensors").stat().st_mtime_ns
    shutil.rmtree(work / "bundle")
    _run(*arguments)
    assert (work / "encoders" / "dino.safetensors").stat().st_mtime_ns == weights
    assert (work / "bundle" / "manifest.json").is_file()


def test_the_bundle_grounds_and_is_measured(built):
    work = built[0]
    image = next((work / "data").glob("Seen/testset/egocentric/hold/*/*.jpg"))
    _run(
        "ground",
        str(image),
        "--action",
        "hold",
        "--bundle",
        str(work / "bundle"),
        "--out",
        str(work / "overlay.png"),
    )
    assert cv2.imread(str(work / "overlay.png")).shape == (480, 640, 3)
    out = _run(
        "evaluate",
        str(work / "bundle"),
        str(work / "data"),
        "--divide",
        "Seen",
        "--out",
        str(work / "report"),
        "--json",
    )
    overall = json.loads(out)["overall"]
    assert overall["queries"] > 0 and overall["kld"] > 0 and overall["nothing_queries"] > 0
    assert (work / "report" / "report.html").is_file()


def test_a_recording_has_truth_for_every_action(renderer, tmp_path):
    _run("tabletop", "record", str(tmp_path), "--frames", "2")
    recording = read_recording(tmp_path)
    assert len(recording.frames) == 2 and len(recording.actions) == 8
    for action in recording.actions:
        assert recording.part_mask(recording.frames[0], action).sum() > 200


SMALL = {
    "backbone.name": "test_efficientnet",
    "backbone.weights": "null",
    "backbone.sha256": "null",
    "backbone.frozen_epochs": "0",
    "data.input_size": "[96, 128]",
    "data.cache": "false",
    "schedule.epochs": "1",
    "validation.limit": "4",
}


@pytest.fixture(scope="module")
def rounds(small_world, tmp_path_factory):
    """The folder of a build in two rounds, bundle_1 and b, with its data. Tests leave it as it is."""
    work = tmp_path_factory.mktemp("rounds")
    _with_few_pictures(small_world, work / "data")
    sets = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    _run("tabletop", "build", "--work", str(work), "--out", str(work / "b"), "--scale", "0", *sets)
    return work


def test_a_convolutional_bundle_is_built_without_encoders(rounds):
    bundle = load_bundle(rounds / "b")
    assert bundle.manifest.training["encoders_trained"] == ["all"]
    assert bundle.manifest.training["earlier"]["encoders_trained"] == ["upper"]
    assert bundle.manifest.input_size == (96, 128) and bundle.manifest.fit == "pad"
    assert has_half_weights(bundle.model)
    # Between rounds nothing is rounded, and no night's training ends because that would be too coarse.
    assert not has_half_weights(load_bundle(rounds / "bundle_1").model)
    assert ("model.int8" in bundle.files) is ("int8" in bundle.manifest.metrics)
    assert not (rounds / "encoders").exists()


def test_rooms_are_rendered_for_training_beside_the_media_pictures(tmp_path):
    media, rooms = tmp_path / "medium, large", tmp_path / "rooms"
    for folders in ((media,), (media, rooms)):
        for config in CONFIGS.glob("tabletop_pyramid*.yaml"):
            data = load_config(config, real_pictures(*folders)).data
            assert data.backgrounds == data.negatives == folders and data.textures == (media,)


def test_rooms_without_furniture_are_refused_before_anything_is_rendered(tmp_path):
    arguments = ["tabletop", "build", "--work", str(tmp_path), "--out", str(tmp_path / "b"), "--rooms", "4"]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1 and "4 rooms need furniture: give a media folder" in refused.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("coarse", [False, True])
def test_half_way_between_two_rounds_presence_and_confidence_are_fitted(
    rounds, tmp_path, monkeypatch, caplog, coarse
):
    negatives = tmp_path / "negatives"
    negatives.mkdir()
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        write_image(negatives / f"{number}.png", pixels)
    monkeypatch.setattr(build, "PRESENCE_PICTURES", 64)
    if coarse:
        monkeypatch.setattr(half_weights, "MAX_DEVIATION", 0.0)
    sets = {"data.root": rounds / "data", "data.negatives": negatives, "data.negative_share": 0.25} | SMALL
    settings = load_config(CONFIGS / "tabletop_pyramid_all.yaml", [f"{key}={at}" for key, at in sets.items()])
    build.half_way(rounds / "bundle_1", rounds / "b", tmp_path / "between", settings, negatives)
    bundle = load_bundle(tmp_path / "between")
    assert has_half_weights(bundle.model) is not coarse
    assert ("the bundle's weights stay in fp32" in caplog.text) is coarse
    assert bundle.manifest.training["averaged"]["share"] == 0.5
    assert bundle.manifest.training["presence"]["pictures"] == 64
    assert bundle.manifest.metrics["confidence"]["false_rate"] == 0.03
    every = (load_bundle(rounds / "bundle_1"), load_bundle(rounds / "b"), bundle)
    one, other, given = (restore(each).net.heads.classifier.weight.detach() for each in every)
    np.testing.assert_allclose(given, (one + other) / 2, rtol=2e-3, atol=1e-4)


def test_weights_that_are_not_there_are_told_before_anything_is_rendered(tmp_path):
    arguments = ["tabletop", "build", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "bundle")]
    wrong = ["--scale", "0", "--set", "backbone.weights=package:nothing"]
    result = CliRunner().invoke(main, [*arguments, *wrong])
    assert result.exit_code == 1 and "weights 'package:nothing': known are" in result.output
    assert not (tmp_path / "work" / "data").exists()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("tabletop_dense.yaml", "encoders is for the paper's network"),
        ("tabletop_pyramid.yaml", "a bundle brings its own weights"),
    ],
)
def test_a_second_round_that_cannot_follow_is_told_before_anything_is_rendered(tmp_path, second, message):
    work = tmp_path / "work"
    given = ["tabletop", "build", "--work", str(work), "--out", str(tmp_path / "b"), "--scale", "0"]
    for name in ("tabletop_pyramid.yaml", second):
        given += ["--config", str(CONFIGS / name)]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 1 and message in result.output and not (work / "data").exists()
