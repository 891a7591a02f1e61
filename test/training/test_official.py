"""The authors' checkpoint, imported: their numbers from torch and from ONNX Runtime.

A checkpoint with the key names and shapes of the released files and pseudo-random values is generated once.
"""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.bundle import load_bundle
from selcon_ros.core.heatmap import refine
from selcon_training.errors import CheckpointError
from selcon_training.export import export_graph
from selcon_training.official import import_official
from support.parity import FOLDER, numbers, relative

TOLERANCE = 1e-4


def generator():
    """Return test/data/parity/official_checkpoint.py as a module."""
    spec = importlib.util.spec_from_file_location("official_checkpoint", FOLDER / "official_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The checkpoint, its network, the authors' numbers, and the outputs in torch and ONNX Runtime."""
    folder = tmp_path_factory.mktemp("official")
    state = {
        key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in generator().state_dict("Seen", 0).items()
    }
    torch.save(state, folder / "seen.pth")
    data = numbers("inference_seen")
    draw = np.random.default_rng(data["input_seed"].tolist())
    images = torch.from_numpy(draw.standard_normal((3, 3, 224, 224), dtype=np.float32))
    net = import_official(folder / "seen.pth", "Seen")
    with torch.no_grad():
        keys, attention = net.dino(images, attention=True)
        features = net.features(images)
        cam = net.heads.cam(features.parts)
    torch_outputs = [cam, net.affinity(features), keys, features.patches, attention]
    session = onnxruntime.InferenceSession(export_graph(net, intermediates=True))
    rows = [session.run(None, {"image": image[None].numpy()}) for image in images]
    onnx_outputs = [torch.from_numpy(np.concatenate(values)) for values in zip(*rows, strict=True)]
    yield SimpleNamespace(
        path=folder / "seen.pth", state=state, net=net, data=data,
        outputs={"torch": torch_outputs, "onnxruntime": onnx_outputs},
    )  # fmt: skip
    (folder / "seen.pth").unlink()


def test_text_features_are_the_authors(official):
    from selcon_training.prompts import action_prompt, person_prompt

    data, net = official.data, official.net
    assert [action_prompt(a) for a in net.actions] == data["prompts"]
    assert [person_prompt(a) for a in net.actions] == data["exo_prompts"]
    assert relative(net.text_action, F.normalize(data["text_features"], dim=1)) < TOLERANCE
    assert relative(net.text_person, F.normalize(data["exo_text_features"], dim=1)) < TOLERANCE


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_every_stage_gives_the_authors_numbers(official, engine):
    data = official.data
    cam, affinity, keys, patches, attention = official.outputs[engine]
    wanted = data["clip_patch_features_image0"]
    assert relative(patches[0].flatten(1).T, F.normalize(wanted, dim=1)) < TOLERANCE
    assert relative(keys[0].flatten(1).T, data["dino_keys_image0"][1:]) < TOLERANCE
    assert relative(attention.flatten(2), data["dino_cls_attention"]) < TOLERANCE
    assert relative(affinity.flatten(2), data["clip_similarity_all"]) < TOLERANCE
    assert relative(cam, data["cam_all"]) < TOLERANCE
    row = torch.arange(3)
    assert relative(cam[row, data["labels"]], data["cam"]) < TOLERANCE
    refined = torch.from_numpy(refine(cam.numpy(), affinity.numpy(), "continuous", 0.6))
    assert relative(refined[row, data["labels"]], data["heatmap_refined"]) < TOLERANCE


def test_the_command_writes_a_bundle(official, tmp_path):
    out = tmp_path / "bundle"
    result = CliRunner().invoke(
        main, ["import-official", str(official.path), "--divide", "Seen", "--out", str(out), "--json"]
    )
    assert result.exit_code == 0, result.output
    bundle = load_bundle(out)
    assert json.loads(result.stdout)["actions"] == official.net.actions == list(bundle.manifest.actions)
    assert bundle.manifest.input_size == (224, 224) and bundle.manifest.patch_grid == (14, 14)
    assert bundle.manifest.calibration == "continuous" and bundle.manifest.confidence is None
    assert set(bundle.manifest.encoders) == {"clip", "dino"}


def test_keys_that_do_not_fit_are_listed(official, tmp_path):
    state = {key: value for key, value in official.state.items() if key.startswith(("vit_model.", "aff_"))}
    state["surplus.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError) as caught:
        import_official(tmp_path / "odd.pth", "HICO")
    message = str(caught.value)
    assert "missing: net.visual.proj [768, 512]" in message
    assert "missing: K_contrast_projection.weight" in message
    assert "extra: surplus.weight [1]" in message
    assert "misshapen: aff_classifier.weight is [36, 384, 1, 1], needed [10, 384, 1, 1]" in message


@pytest.mark.parametrize("divide", ["Unseen", "HICO"])
def test_the_other_divides_have_the_released_keys(divide, monkeypatch, tmp_path):
    """Only the class count differs: the released key list is what the importer asks for."""
    shapes = json.loads((FOLDER / f"official_keys_{divide.lower()}.json").read_text())
    asked = {}

    def record(wanted, given):
        asked.update(wanted)
        return ["stop here"]

    monkeypatch.setattr("selcon_training.official.mismatches", record)
    torch.save({"x": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="stop here"):
        import_official(tmp_path / "x.pth", divide)
    assert asked == {key: tuple(shape) for key, (shape, _) in shapes.items()}


@pytest.mark.parametrize("content", [None, b"not a checkpoint"])
def test_unreadable_checkpoints_are_named(tmp_path, content):
    path = tmp_path / "gone.pth"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(
        main, ["import-official", str(path), "--divide", "Seen", "--out", str(tmp_path / "b")]
    )
    assert result.exit_code == 1 and "gone.pth" in result.output and "Traceback" not in result.output
    assert not (tmp_path / "b").exists()
