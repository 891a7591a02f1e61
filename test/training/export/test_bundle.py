"""Exporting: the bundle gives what torch gives, or is not written."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_training.errors import CheckpointError, ExportError
from selcon_training.export import bundle as exporting
from selcon_training.export import onnx_trace
from selcon_training.models.checkpoint import save_model
from selcon_training.models.network import example_images
from support import nets

RECTANGLE = (64, 96)


@pytest.mark.parametrize(("timm_tower", "upscale"), [(False, 1), (True, 1), (False, 2)])
def test_an_exported_bundle_gives_what_torch_gives(tmp_path, timm_tower, upscale):
    net = nets.small_net((288, 384), timm_tower=timm_tower, cam_activation="sigmoid", upscale=upscale).train()
    manifest = exporting.export_bundle(
        net, tmp_path / "bundle", name="small", description="random", licence="none", intermediates=True
    )
    assert net.training and net.heads.training
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.manifest == manifest and manifest.map_grid == (18 * upscale, 24 * upscale)
    session = onnxruntime.InferenceSession(bundle.model)
    assert all(node.shape[0] == "images" for node in [*session.get_inputs(), *session.get_outputs()])
    net.eval()
    for count in (1, 2):
        images = torch.randn(count, 3, 288, 384)
        outputs = session.run(None, {"image": images.numpy()})
        with torch.no_grad():
            wanted = [*net(images)]
            keys, attention = net.dino(images, attention=True)
            wanted += [keys, net.clip(images), attention]
        for ours, theirs in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_the_graph_is_lean(tmp_path):
    net = nets.small_net((64, 64))
    operators = [node.op_type for node in onnx.load_from_string(exporting.export_graph(net)).graph.node]
    assert (
        operators.count("Softmax") == 2 + 2 + 1
    )  # whole blocks of both encoders, and ClearCLIP's last attention
    assert not {"If", "Loop", "NonZero", "Einsum", "Sqrt"} & set(operators)


def test_a_wrong_graph_is_never_written(tmp_path, monkeypatch):
    net = nets.small_net((64, 64))
    trace = onnx_trace.trace

    def broken(*arguments):
        with torch.no_grad():
            net.heads.classifier.bias += 1
        content = trace(*arguments)
        with torch.no_grad():
            net.heads.classifier.bias -= 1
        return content

    monkeypatch.setattr(onnx_trace, "trace", broken)
    with pytest.raises(ExportError, match="'cam' deviates"):
        exporting.export_bundle(net, tmp_path / "bundle", name="x", description="", licence="")
    assert not (tmp_path / "bundle").exists()


def test_a_graph_that_is_wrong_for_several_images_alone_is_refused():
    class Mixing(torch.nn.Module):
        def forward(self, image):
            return image + (image - image.mean(0, keepdim=True)).tanh() * image.new_tensor(len(image))

    one, several = example_images((4, 6))
    axes = {name: {0: onnx_trace.BATCH_AXIS} for name in ("image", "cam")}
    with pytest.raises(ExportError, match="'cam' deviates"):  # traced, `len` is that of the example
        onnx_trace.trace_graph(Mixing(), {"image": one}, ["cam"], axes, again={"image": several})
    onnx_trace.trace_graph(Mixing(), {"image": one}, ["cam"], axes)


def test_the_command_exports_a_checkpoint_with_what_its_training_said(tmp_path):
    meta = {
        "name": "kitchen",
        "description": "A test.",
        "licence": "Apache-2.0",
        "calibration": "none",
        "gamma": 0.5,
        "confidence": {"scale": [1, 2, 3], "offset": [0, 0, -1]},
        "training": {"epochs": 3},
        "metrics": {"kld": 1.5},
    }
    save_model(tmp_path / "run", nets.loaded_net(tmp_path), meta)
    arguments = ["export", str(tmp_path / "run"), "--out", str(tmp_path / "bundle.zip"), "--licence", "MIT"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "kitchen, 3 actions, input 96x64" in result.output
    manifest = load_bundle(tmp_path / "bundle.zip").manifest
    assert manifest.licence == "MIT" and manifest.description == "A test." and manifest.calibration == "none"
    assert manifest.confidence.scale == (1, 2, 3) and manifest.metrics == {"kld": 1.5}
    assert manifest.encoders["dino"].name == "test_vit" and len(manifest.encoders["dino"].sha256) == 64
    save_model(tmp_path / "bare", nets.loaded_net(tmp_path))
    bare = CliRunner().invoke(
        main, ["export", str(tmp_path / "bare"), "--out", str(tmp_path / "b"), "--json"]
    )
    assert json.loads(bare.stdout)["name"] == "bare"


def test_exporting_what_is_no_checkpoint_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["export", str(tmp_path), "--out", str(tmp_path / "b")])
    assert result.exit_code == 1 and "model.json is missing" in result.output


def test_other_actions_go_on_counting_for_an_exported_confidence(tmp_path):
    fit = {
        "scale": [1, 2, 3],
        "offset": [0, 0, -1],
        "others": [[0, 0.5, 0], [0, 0, 0], [0.25, 0, 0]],
    }
    save_model(tmp_path / "run", nets.loaded_net(tmp_path), {"calibration": "none", "confidence": fit})
    assert json.loads((tmp_path / "run/model.json").read_text())["format_version"] == 3
    exporting.export_checkpoint(tmp_path / "run", tmp_path / "b")
    assert load_bundle(tmp_path / "b").manifest.confidence.others == ((0, 0.5, 0), (0, 0, 0), (0.25, 0, 0))


@pytest.mark.parametrize("fit", [{"scale": [1]}, {"scale": [1], "offset": [0], "others": [1]}])
def test_a_damaged_confidence_fit_is_named(tmp_path, fit):
    save_model(tmp_path / "run", nets.loaded_net(tmp_path), {"confidence": fit})
    with pytest.raises(CheckpointError, match="confidence fit is damaged"):
        exporting.export_checkpoint(tmp_path / "run", tmp_path / "b")


def test_without_calibration_the_clip_encoder_stays_at_home(tmp_path):
    net = nets.small_net(RECTANGLE)
    manifests = {
        kind: exporting.export_bundle(
            net, tmp_path / kind, name="n", description="d", licence="l", calibration=kind
        )
        for kind in ("continuous", "none")
    }
    assert set(manifests["continuous"].encoders) == {"clip", "dino"}
    assert set(manifests["none"].encoders) == {"dino"}
    sizes = {kind: (tmp_path / kind / "model.onnx").stat().st_size for kind in manifests}
    assert sizes["none"] < 0.7 * sizes["continuous"]
    frames = np.zeros((1, *RECTANGLE, 3), np.uint8)
    maps = {kind: open_on_cpu(load_bundle(tmp_path / kind)).run(frames) for kind in manifests}
    assert maps["none"][1] is None and maps["continuous"][1] is not None
    np.testing.assert_allclose(maps["none"][0], maps["continuous"][0], rtol=1e-4, atol=1e-6)
