"""`selcon fit-presence`: the maps of an action, multiplied by how likely the image affords it at all."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.confidence.evidence import area_under_roc
from selcon_training.confidence.presence import RIDGE, Seen, fit
from selcon_training.config import load_config
from selcon_training.data.images import read_picture
from selcon_training.errors import CheckpointError, DataError
from selcon_training.export.bundle import export_bundle
from selcon_training.export.weight_average import average
from selcon_training.models.from_bundle import restore
from selcon_training.models.presence import Presence, averaged_features, weights
from selcon_training.training.factory import continued
from selcon_training.training.tasks.dense import start_from_prior
from support.dataset import COLOURS
from support.pyramids import NAME, config_of, net_of
from support.squares import squares_of

squares = squares_of(train=24, val=2, test=24, negatives=2)
TOLD = {"name": "base", "description": "Small.", "licence": "Apache-2.0", "calibration": "none", "fit": "pad"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A bundle of a network that has not learnt anything yet."""
    net = net_of()
    start_from_prior(net, 0.05)
    folder = tmp_path_factory.mktemp("base") / "base"
    export_bundle(net, folder, training={"backbone": NAME}, weights="fp16", **TOLD)
    return folder


@pytest.fixture(scope="module")
def config_file(squares, tmp_path_factory):
    """A configuration of its training."""
    folder = tmp_path_factory.mktemp("config")
    values = config_of(squares, folder / "run").model_dump(mode="json")
    values["data"]["fit"] = "pad"
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def call(bundle, config, out, *more):
    arguments = ["fit-presence", str(bundle), str(config), "--out", str(out), "--pictures", "160", *more]
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def fitted(base, config_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("fitted") / "fitted"
    result = call(base, config_file, out)
    assert result.exit_code == 0, result.output
    return out


def groundings(bundle, paths):
    loaded = load_bundle(bundle)
    grounder = Grounder(loaded, open_on_cpu(loaded, CpuOptions(1)))
    return [grounder.ground(read_picture(path)) for path in paths]


def test_heatmaps_stay_and_the_evidence_tells_more(squares, base, fitted):
    paths = {path.stem: path for path in (squares / "Seen/testset/egocentric").rglob("*.jpg")}
    shown = {stem: set() for stem in paths}
    for path in (squares / "Seen/testset/egocentric").rglob("*.jpg"):
        shown[path.stem].add(path.parts[-3])
    before, after = (groundings(bundle, paths.values()) for bundle in (base, fitted))
    areas = []
    for index, action in enumerate(COLOURS):
        for one, other in zip(before, after, strict=True):
            # Half an 8 bit step: the network's weights are the same, but the engine may join other layers.
            np.testing.assert_allclose(other.heatmap(action).values, one.heatmap(action).values, atol=2e-3)
            assert 0 <= other.evidence[index] <= one.evidence[index] + 1e-6
        there = np.array([action in shown[stem] for stem in paths])
        told = [np.array([each.evidence[index] for each in seen]) for seen in (before, after)]
        areas.append([area_under_roc(each[there], each[~there]) for each in told])
    first, second = np.mean(areas, axis=0)
    assert second > max(first + 0.1, 0.8), areas


def test_it_weighs_the_features_under_the_heat():
    """The maps of logits averaged over the heat are the logits of the averaged features."""
    torch.manual_seed(0)
    presence = Presence(5, 7, 8, 3, {})
    cam, cells, coarsest = torch.rand(2, 3, 15, 20), torch.randn(2, 5, 15, 20), torch.randn(2, 7, 2, 3)
    features = averaged_features(cam, cells, coarsest, 8)
    assert features.shape == (2, 3, 12)
    layers = (presence.cells, presence.coarsest)
    weight = torch.cat([layer.weight[:, :, 0, 0] for layer in layers], 1)
    expected = (features * weight).sum(2) + presence.cells.bias + presence.coarsest.bias
    torch.testing.assert_close(presence(cam, cells, coarsest)[..., 0, 0], expected)


@pytest.mark.parametrize("cells", [(60, 80), (49, 56), (25, 13), (8, 9)])
def test_a_cell_has_the_coarsest_features_that_it_lies_in(cells):
    """Whatever the input's size: the last of them may reach beyond the image."""
    rows, columns = (torch.arange(side) // 8 for side in cells)
    coarsest = torch.arange(float((rows[-1] + 1) * (columns[-1] + 1))).reshape(1, 1, int(rows[-1]) + 1, -1)
    for v, u in ((0, 0), (cells[0] - 1, cells[1] - 1), (cells[0] // 2, cells[1] - 2)):
        cam = torch.zeros(1, 1, *cells)
        cam[0, 0, v, u] = 1
        features = averaged_features(cam, torch.zeros(1, 2, *cells), coarsest, 8)
        assert features[0, 0].tolist() == [0, 0, coarsest[0, 0, rows[v], columns[u]]]


def test_cells_count_by_their_heat_above_half_of_the_peak():
    cam = torch.tensor([[[[0.2, 0.4], [0.1, 0.3]], [[0.0, 0.0], [0.0, 0.0]]]])
    torch.testing.assert_close(weights(cam)[0, 0], torch.tensor([[0.0, 2 / 3], [0.0, 1 / 3]]))
    assert weights(cam)[0, 1].sum() == 0  # nothing at all is no place


def test_both_answers_weigh_the_same_and_scales_do_not_matter():
    net, rng = net_of(), np.random.default_rng(0)
    size = net.heads.width + net.backbone.widths[-1]
    possible = np.zeros((300, 3), np.bool_)
    possible[:30] = True
    values = rng.normal(size=(300, 3, size)).astype(np.float32)
    values[:, :, 0] += 2 * possible
    known = np.ones_like(possible)
    values[-1], known[-1] = 1e6, False
    found = fit(net, Seen(values, possible, known))
    scale = rng.uniform(0.5, 2.0, size).astype(np.float32)
    other = fit(net, Seen(values * scale + 3, possible, known))
    logits = [_logits(each, given) for each, given in ((found, values), (other, values * scale + 3))]
    np.testing.assert_allclose(*(each[:-1] for each in logits), atol=0.05)
    assert abs(logits[0][:30].mean() + logits[0][30:-1].mean()) < 0.3  # 0 lies in the middle
    assert found.record == {"pictures": 300, "ridge": RIDGE, "possible": dict.fromkeys(COLOURS, 30)}


def _logits(presence, values):
    weight = torch.cat([layer.weight[:, :, 0, 0] for layer in (presence.cells, presence.coarsest)], 1)
    return (values * weight.detach().numpy()).sum(2) + presence.cells.bias.detach().numpy()


def test_a_bundle_with_a_presence_comes_back_as_it_is(fitted, tmp_path):
    bundle = load_bundle(fitted)
    assert bundle.manifest.confidence is None and bundle.manifest.training["presence"]["pictures"] == 160
    net = restore(bundle).net
    assert net.presence.record == bundle.manifest.training["presence"]
    again = CliRunner().invoke(main, ["export", str(fitted), "--out", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    assert load_bundle(tmp_path / "again").manifest.training == bundle.manifest.training
    other = restore(load_bundle(tmp_path / "again")).net
    for name, value in net.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)
    assert "presence.coarsest.weight" in net.state_dict()


def test_a_bundle_with_a_presence_can_have_another_input_size(fitted, tmp_path):
    """Also one of which no side is a multiple of the coarsest stride."""
    arguments = ["export", str(fitted), "--size", "100,52", "--out", str(tmp_path / "other")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    other = restore(load_bundle(tmp_path / "other")).net
    assert other.input_size == (100, 52) and other.presence is not None


def test_who_trains_on_has_none(fitted, config_file, tmp_path, caplog):
    """It was fitted to features that are others then."""
    config = load_config(config_file, [f"backbone.bundle={fitted}"])
    bundle = load_bundle(fitted)
    assert continued(config, config.backbone, bundle, bundle.manifest.actions).presence is None
    assert f"the presence of {fitted} is left out" in caplog.text
    average(fitted, fitted, 0.5, tmp_path / "half")
    half = load_bundle(tmp_path / "half")
    assert "presence" not in half.manifest.training and restore(half).net.presence is None


def test_fitting_again_takes_the_place_of_the_first(fitted, config_file, tmp_path):
    result = call(fitted, config_file, tmp_path / "again")
    assert result.exit_code == 0, result.output
    nets = [restore(load_bundle(path)).net for path in (fitted, tmp_path / "again")]
    for name, value in nets[0].state_dict().items():
        torch.testing.assert_close(nets[1].state_dict()[name], value, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("record", ["yes", None, {"pictures": 1}])
def test_a_manifest_that_does_not_fit_the_graph_is_refused(base, fitted, tmp_path, record):
    source = base if record else fitted
    shutil.copytree(source, tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["training"]["presence"] = record
    if record is None:
        del manifest["training"]["presence"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="presence is|convolutions"):
        restore(load_bundle(tmp_path / "b"))


def test_an_action_that_is_always_possible_keeps_its_maps(caplog):
    net, rng = net_of(), np.random.default_rng(0)
    size = net.heads.width + net.backbone.widths[-1]
    values = rng.normal(size=(20, 3, size)).astype(np.float32)
    possible = np.ones((20, 3), np.bool_)
    possible[::2, 1] = False
    logits = _logits(fit(net, Seen(values, possible, np.ones_like(possible))), values)
    assert (logits[:, [0, 2]] > 20).all() and np.ptp(logits[:, 1]) > 1
    listed = "possible and impossible: cut_with 20 and 0, pour 20 and 0, which stay as they are; a presence"
    assert listed in caplog.text
    with pytest.raises(DataError, match="20 and 0, hold 20 and 0, pour 20 and 0; a presence needs 5"):
        fit(net, Seen(values, np.ones_like(possible), np.ones_like(possible)))


def test_a_configuration_of_another_network_is_refused(fitted, config_file, tmp_path):
    for change, message in (
        ("backbone.name=test_resnet", "backbone.name = test_resnet: the bundle"),
        ("backbone=null", "no section backbone"),
        ("data.input_size=[32,96]", "data.input_size = [32, 96]: the bundle"),
        ("data.actions=[hold,cut_with]", "data.actions = ['hold', 'cut_with']: the bundle"),
    ):
        result = call(fitted, config_file, tmp_path / "out", "--set", change)
        assert result.exit_code == 1 and message in result.output, result.output
    assert not (tmp_path / "out").exists()
