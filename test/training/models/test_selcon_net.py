"""The network as a whole: shapes, modes, gradients, checkpoints and exporting."""

import json
import os

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.cli.main import main
from selcon_ros.core.bundle import load_bundle
from selcon_training.encoders import DenseClip, PartEncoder, load_clip, load_dino
from selcon_training.encoders.clip import action_prompt, person_prompt
from selcon_training.errors import CheckpointError, EncoderError, ExportError
from selcon_training.export import bundle as exporting
from selcon_training.export import onnx_trace
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.models.network import example_images
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


def loaded_net(folder, random=False, **options):
    """A network whose encoders come by name, with weights from files unless random."""
    name = nets.register_small_clip(folder)
    clip_file, dino_file = folder / "clip.safetensors", folder / "dino.safetensors"
    torch.manual_seed(1)
    save_file(nets.clip_model().state_dict(), clip_file)
    save_file(nets.named_vit().state_dict(), dino_file)
    clip = load_clip({"name": name, "weights": None if random else str(clip_file)}, RECTANGLE)
    dino = load_dino({"name": "test_vit", "weights": None if random else str(dino_file)}, RECTANGLE)
    return SelconNet(clip, dino, nets.ACTIONS, **options).eval()


@pytest.mark.parametrize("kind", ["frozen", "trained", "random", "finer"])
def test_a_checkpoint_gives_the_same_network_back(tmp_path, kind):
    net = loaded_net(tmp_path, random=kind == "random", upscale=2 if kind == "finer" else 1)
    if kind == "trained":
        net.train_encoders(True)
        with torch.no_grad():
            net.dino.key.weight.mul_(1.5)
    save_model(tmp_path / "run", net, {"epochs": 3})
    again, meta = load_model(tmp_path / "run")
    images = torch.randn(1, 3, *RECTANGLE)
    for ours, theirs in zip(again(images), net(images), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert meta == {"epochs": 3} and again.actions == nets.ACTIONS
    assert again.encoders_trainable is (kind == "trained")
    stored = any(
        key.startswith(("clip.", "dino.")) for key in load_file(tmp_path / "run" / "model.safetensors")
    )
    assert stored is (kind in ("trained", "random")) and again.map_grid == net.map_grid


def test_other_encoder_weights_than_those_trained_with_are_refused(tmp_path):
    net = loaded_net(tmp_path)
    save_model(tmp_path / "run", net)
    save_file(nets.named_vit().state_dict(), tmp_path / "dino.safetensors")
    with pytest.raises(EncoderError, match="digest"):
        load_model(tmp_path / "run")


def test_damaged_checkpoints_say_what_is_wrong(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(CheckpointError, match=r"model\.json is missing"):
        load_model(run)
    save_model(run, loaded_net(tmp_path, random=True))
    description = json.loads((run / "model.json").read_text())
    # Copies: the file that they would be mapped from is written over below.
    state = {key: value.clone() for key, value in load_file(run / "model.safetensors").items()}

    lame = {key: value for key, value in state.items() if key != "heads.fc1.bias"}
    save_file(lame | {"heads.surplus": torch.zeros(1)}, run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: heads\.fc1\.bias(.|\n)*extra: heads\.surplus"):
        load_model(run)

    sick = state | {"heads.fc2.weight": state["heads.fc2.weight"].clone().fill_(float("nan"))}
    save_file(sick, run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"NaN or infinite: heads\.fc2\.weight"):
        load_model(run)

    (run / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(run)

    (run / "model.safetensors").unlink()
    os.mkfifo(run / "model.safetensors")  # nobody waits for who writes into it
    with pytest.raises(CheckpointError, match="model.safetensors: it is a pipe, not a plain file"):
        load_model(run)
    (run / "model.safetensors").unlink()

    save_file(state, run / "model.safetensors")
    for change, message in [
        ({"format_version": 9}, "format_version is 9"),
        ({"encoders": {}}, "not a complete"),
    ]:
        (run / "model.json").write_text(json.dumps(description | change))
        with pytest.raises(CheckpointError, match=message):
            load_model(run)
    (run / "model.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_model(run)


def test_a_network_of_unnamed_encoders_cannot_be_saved(tmp_path):
    with pytest.raises(CheckpointError, match="load_clip and load_dino"):
        save_model(tmp_path, nets.small_net(RECTANGLE))


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
    axes = {name: {0: onnx_trace.BATCH} for name in ("image", "cam")}
    with pytest.raises(ExportError, match="'cam' deviates"):  # traced, `len` is that of the example
        onnx_trace.graph_of(Mixing(), {"image": one}, ["cam"], axes, again={"image": several})
    onnx_trace.graph_of(Mixing(), {"image": one}, ["cam"], axes)


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
    save_model(tmp_path / "run", loaded_net(tmp_path), meta)
    arguments = ["export", str(tmp_path / "run"), "--out", str(tmp_path / "bundle.zip"), "--licence", "MIT"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "kitchen, 3 actions, input 96x64" in result.output
    manifest = load_bundle(tmp_path / "bundle.zip").manifest
    assert manifest.licence == "MIT" and manifest.description == "A test." and manifest.calibration == "none"
    assert manifest.confidence.scale == (1, 2, 3) and manifest.metrics == {"kld": 1.5}
    assert manifest.encoders["dino"].name == "test_vit" and len(manifest.encoders["dino"].sha256) == 64
    save_model(tmp_path / "bare", loaded_net(tmp_path))
    bare = CliRunner().invoke(
        main, ["export", str(tmp_path / "bare"), "--out", str(tmp_path / "b"), "--json"]
    )
    assert json.loads(bare.stdout)["name"] == "bare"


def test_exporting_what_is_no_checkpoint_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["export", str(tmp_path), "--out", str(tmp_path / "b")])
    assert result.exit_code == 1 and "model.json is missing" in result.output


def test_a_damaged_confidence_fit_is_named(tmp_path):
    save_model(tmp_path / "run", loaded_net(tmp_path), {"confidence": {"scale": [1]}})
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
