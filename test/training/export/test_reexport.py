"""selcon export of a bundle: another input size, averaging and texts."""

import logging

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_training.models.from_bundle import has_half_weights, restore
from support.bundles import colour_bundle
from support.pyramids import make_base


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base") / "base", weights="fp16")


def export(bundle, out, *options):
    return CliRunner().invoke(main, ["export", str(bundle), "--out", str(out), *options])


def answer(bundle, images):
    session = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    return session.run(["cam"], {"image": images})[0]


def images(height, width):
    return np.random.default_rng(0).standard_normal((1, 3, height, width), dtype=np.float32)


def test_another_size_has_the_weights_and_says_what_is_left_out(base, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        done = export(base, tmp_path / "larger.zip", "--size", "96,128")
    assert done.exit_code == 0, done.output
    given, larger = load_bundle(base), load_bundle(tmp_path / "larger.zip")
    assert larger.manifest.input_size == (96, 128) and larger.manifest.map_grid == (24, 32)
    assert larger.manifest.confidence is None and "selcon fit-confidence" in caplog.text
    assert larger.manifest.training == {"synthetic": True, "input_size": [64, 96]}
    assert has_half_weights(larger.model)
    with torch.no_grad():
        wanted = restore(given).net.at_size((96, 128))(torch.from_numpy(images(96, 128)))[0].numpy()
    np.testing.assert_allclose(answer(larger, images(96, 128)), wanted, atol=1e-5)
    assert export(tmp_path / "larger.zip", tmp_path / "back", "--size", "64,96").exit_code == 0
    np.testing.assert_allclose(
        answer(load_bundle(tmp_path / "back"), images(64, 96)), answer(given, images(64, 96)), atol=1e-5
    )


def test_other_texts_leave_the_confidence(base, tmp_path):
    done = export(base, tmp_path / "named", "--name", "kitchen", "--licence", "MIT")
    assert done.exit_code == 0, done.output
    given, named = load_bundle(base).manifest, load_bundle(tmp_path / "named").manifest
    assert (named.name, named.licence, named.description) == ("kitchen", "MIT", given.description)
    assert named.confidence == given.confidence and named.training == given.training


def test_the_mirrored_picture_can_be_averaged_in_and_left_out_again(base, tmp_path):
    assert export(base, tmp_path / "both", "--flip").exit_code == 0
    both, given = load_bundle(tmp_path / "both"), load_bundle(base)
    assert both.manifest.training["averaging"] == {"flip": True, "scales": [1.0]}
    assert both.manifest.confidence is None
    seen = images(64, 96)
    mirrored = answer(given, np.ascontiguousarray(seen[..., ::-1]))[..., ::-1]
    np.testing.assert_allclose(answer(both, seen), (answer(given, seen) + mirrored) / 2, atol=1e-5)
    assert export(tmp_path / "both", tmp_path / "one", "--no-flip").exit_code == 0
    one = load_bundle(tmp_path / "one")
    assert "averaging" not in one.manifest.training
    np.testing.assert_allclose(answer(one, seen), answer(given, seen), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--open"], 2, "--calibration and --open need a checkpoint"),
        (["--calibration", "none"], 2, "--calibration and --open need a checkpoint"),
        (["--size", "66,98"], 1, "input size (66, 98)"),
    ],
)
def test_what_a_bundle_cannot_be_is_told(base, tmp_path, options, status, message):
    done = export(base, tmp_path / "out", *options)
    assert done.exit_code == status and message in done.output and not (tmp_path / "out").exists()


def test_a_bundle_of_the_papers_network_is_refused(tmp_path):
    done = export(colour_bundle(tmp_path / "colours"), tmp_path / "out", "--size", "96,96")
    assert done.exit_code == 1 and "Only convolutional networks can" in done.output
    assert not (tmp_path / "out").exists()
