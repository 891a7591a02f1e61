"""selcon average: a bundle between two of one convolutional network."""

import pytest
import torch
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_training.errors import ExportError
from selcon_training.export.weight_average import average
from selcon_training.models.from_bundle import restore
from support.pyramids import make_base


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    first = make_base(folder / "first", norms=False)
    return first, make_base(folder / "second", norms=True)


def weights_of(path):
    return restore(load_bundle(path)).net.state_dict()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_lie_between(two, tmp_path, share):
    average(*two, share, tmp_path / "out", "fp32")
    first, second, found = (weights_of(path) for path in (*two, tmp_path / "out"))
    for name, value in found.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, torch.lerp(first[name], second[name], share))
    assert any(not first[name].equal(second[name]) for name in first)


def test_what_was_measured_on_other_maps_is_left_out(two, tmp_path):
    done = CliRunner().invoke(main, ["average", *map(str, two), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    manifest, given = load_bundle(tmp_path / "out").manifest, load_bundle(two[1]).manifest
    assert manifest.confidence is None and not manifest.metrics and given.confidence is not None
    assert manifest.training["averaged"] == {"with": load_bundle(two[0]).manifest.training, "share": 0.5}
    assert manifest.name == given.name


@pytest.mark.parametrize(
    ("name", "message"), [("test_resnet", "encoders.backbone is test_efficientnet and test_resnet")]
)
def test_bundles_of_two_networks_are_refused(two, tmp_path, name, message):
    other = make_base(tmp_path / "other", name)
    with pytest.raises(ExportError, match=message):
        average(two[0], other, 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_width_of_the_decoder_is_refused(two, tmp_path):
    wide = make_base(tmp_path / "wide", width=32)
    with pytest.raises(ExportError, match=r"backbone.width is 16 and 32"):
        average(two[0], wide, 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", ["nan", "1.5"])
def test_a_share_beyond_the_two_is_a_mistake_of_usage(two, tmp_path, share):
    given = ["average", *map(str, two), "--share", share, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2 and f"{share} is not" in done.output and not (tmp_path / "out").exists()
