"""A convolutional network out of its bundle, and training that goes on from it."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import Encoder, load_bundle
from selcon_training.config import ConfigError, parse_config
from selcon_training.errors import CheckpointError
from selcon_training.export import half_weights
from selcon_training.export.bundle import export_bundle, export_checkpoint
from selcon_training.export.half_weights import with_half_weights
from selcon_training.export.weight_average import average
from selcon_training.models.from_bundle import restore
from selcon_training.models.test_time_averaging import Averaging
from selcon_training.training.trainer import Trainer
from support import dataset
from support.pyramids import make_base
from support.squares import squares_of


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet"])
def test_weights_come_back_out_of_a_bundle_exactly(tmp_path, name):
    bundle = load_bundle(make_base(tmp_path / "base", name))
    net = restore(bundle).net  # compares with the graph
    assert net.actions == list(dataset.COLOURS) and not net.training
    again = load_bundle(export_again(net, tmp_path / "again"))
    for one, other in zip(weights_of(bundle), weights_of(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def export_again(net, out):
    export_bundle(net, out, name="again", description="", licence="", fit="pad", calibration="none")
    return out


def weights_of(bundle):
    graph = onnx.load_from_string(bundle.model).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    return [constants[name] for node in graph.node if node.op_type == "Conv" for name in node.input[1:]]


def test_averaging_and_16_bit_weights_are_restored(tmp_path, monkeypatch):
    monkeypatch.setattr(half_weights, "MIN_WEIGHT_SIZE", 1)  # the network is small
    bundle = load_bundle(make_base(tmp_path / "base", averaging=Averaging(flip=True)))
    assert restore(bundle).averaging == Averaging(flip=True)
    model = with_half_weights(onnx.load_from_string(bundle.model)).SerializeToString()
    restored = restore(replace(bundle, files={"model": model}))
    weight = restored.net.heads.last[1].weight
    assert weight.equal(weight.half().float())


def test_bundles_that_cannot_be_continued_are_refused(tmp_path):
    bundle = load_bundle(make_base(tmp_path / "base"))
    empty = onnx.load_from_string(bundle.model)
    del empty.graph.node[:]
    others = {
        "it is no convolutional network": replace(bundle, manifest=replace(bundle.manifest, encoders={})),
        "its graph has no convolution": replace(bundle, files={"model": empty.SerializeToString()}),
        "weights beside convolutions": load_bundle(make_base(tmp_path / "convnext", "convnext_atto")),
    }
    for told, given in others.items():
        with pytest.raises(CheckpointError, match=f"{told}.*Only convolutional.*train others anew"):
            restore(given)


def test_a_bundle_whose_parts_do_not_fit_is_not_called_another_network(tmp_path):
    bundle = load_bundle(make_base(tmp_path / "base"))
    manifest = bundle.manifest
    other = onnx.load_from_string(bundle.model)
    next(node for node in other.graph.node if "cam" in node.output).op_type = "Tanh"
    damaged = {
        "of other shapes": replace(manifest, encoders={"backbone": Encoder("test_resnet")}),
        "its averaging is 'x'": replace(manifest, training=manifest.training | {"averaging": "x"}),
        r"its maps are \(4, 4\)": replace(manifest, map_grid=(4, 4)),
        "its graph does not run": replace(manifest, input_size=(128, 192), map_grid=(32, 48)),
        "differ from the graph's": manifest,
    }
    for told, each in damaged.items():
        given = replace(bundle, manifest=each)
        if each is manifest:
            given = replace(given, files={"model": other.SerializeToString()})
        with pytest.raises(CheckpointError, match=f"{told}.*export it anew") as error:
            restore(given)
        assert "Only convolutional" not in str(error.value)
    unknown = replace(bundle, manifest=replace(manifest, encoders={"backbone": Encoder("no_such_net")}))
    with pytest.raises(CheckpointError, match="timm knows no model") as error:
        restore(unknown)
    assert "Only convolutional" not in str(error.value)


squares = squares_of()


def config_of(root, output, bundle, **changes):
    values = dataset.config_values(root, output, calibration="none")
    del values["encoders"]
    values["data"] |= {"input_size": [64, 96], "fit": "pad", "actions": list(dataset.COLOURS)}
    values["backbone"] = {"name": "test_efficientnet", "width": 16, "train": "all", "bundle": str(bundle)}
    values["dense"] = {"cam": 1.0, "dice": 1.0, "refined": 0.0, "parts": 0.0}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        values[section][name] = value
    return parse_config(values)


def test_training_goes_on_from_a_bundle(squares, tmp_path):
    base = make_base(tmp_path / "base")
    trainer = Trainer(config_of(squares, tmp_path / "run", base))
    for (name, own), (_, given) in zip(
        trainer.net.named_parameters(), restore(load_bundle(base)).net.named_parameters(), strict=True
    ):
        assert own.equal(given), name
    assert not trainer.run(max_steps=1)
    assert Trainer(config_of(squares, tmp_path / "run", base), resume=True).run()
    manifest = export_checkpoint(tmp_path / "run" / "checkpoint", tmp_path / "out")
    before = load_bundle(base).manifest
    assert manifest.encoders == before.encoders
    assert manifest.training["earlier"] == before.training and manifest.training["encoders_trained"] == [
        "all"
    ]


def test_training_goes_on_at_another_size(squares, tmp_path):
    base = make_base(tmp_path / "base")
    trainer = Trainer(config_of(squares, tmp_path / "run", base, data__input_size=[96, 128]))
    given = restore(load_bundle(base)).net
    assert trainer.net.input_size == (96, 128) and given.input_size == (64, 96)
    assert all(own.equal(given.state_dict()[name]) for name, own in trainer.net.state_dict().items())
    assert trainer.run()
    larger = export_checkpoint(tmp_path / "run" / "checkpoint", tmp_path / "larger")
    assert larger.input_size == (96, 128) and larger.map_grid == (24, 32)
    between = average(base, tmp_path / "larger", 0.5, tmp_path / "between")
    assert between.input_size == (96, 128) and between.map_grid == (24, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone__width": 32}, "backbone.width = 32: the bundle .* has 16"),
        ({"backbone__name": "test_resnet"}, "backbone.name = test_resnet: .* has test_efficientnet"),
        ({"data__fit": "stretch"}, "data.fit = stretch: .* has pad"),
        ({"data__actions": list(dataset.COLOURS)[:2]}, "actions = .*: the bundle .* has"),
        ({"backbone__weights": "pretrained"}, "a bundle brings its own weights"),
    ],
)
def test_a_bundle_of_another_network_is_refused(squares, tmp_path, changes, message):
    base = make_base(tmp_path / "base")
    with pytest.raises(ConfigError, match=message):
        Trainer(config_of(squares, tmp_path / "run", base, **changes))
    assert not (tmp_path / "run").exists()


def test_checking_a_configuration_opens_the_bundle(squares, tmp_path):
    base = make_base(tmp_path / "base")
    path = tmp_path / "run.yaml"
    config = config_of(squares, tmp_path / "run", base)
    path.write_text(json.dumps(config.model_dump(mode="json")))
    command = ["train", str(path), "--check"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0 and "width: 16" in done.output
    done = CliRunner().invoke(main, [*command, "--set", "backbone.width=32"])
    assert done.exit_code == 1 and "backbone.width = 32: the bundle" in done.output
    done = CliRunner().invoke(main, [*command, "--set", "backbone.bundle=nowhere"])
    assert done.exit_code == 1 and "no model bundle at" in done.output
