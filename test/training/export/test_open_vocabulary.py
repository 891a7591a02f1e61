"""selcon export --open and selcon ground for a verb outside the class list."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from selcon_ros.cli.main import main
from selcon_ros.core.errors import BackendError, BundleError, UnknownActionError
from selcon_ros.core.grounding.bundle import OPEN_ROLES, load_bundle, write_bundle
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_ros.core.pictures.picture_files import write_image
from selcon_training.encoders import EncoderSpec, clip_tokenizer, load_clip, load_dino
from selcon_training.encoders.clip import action_prompt
from selcon_training.errors import EncoderError, ExportError
from selcon_training.export.bundle import export_checkpoint
from selcon_training.export.open_vocabulary import open_grounder, open_label
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.models.selcon_net import SelconNet
from selcon_training.models.test_time_averaging import Averaging, averaged
from support import nets

SIZE = (64, 96)
FLIP = {"flip": True, "scales": [1.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("open")


@pytest.fixture(scope="module")
def run(folder):
    """A checkpoint of a random network with a text classifier, whose CLIP weights are a file."""
    return checkpoint(folder, "run", classifier="text", upscale=2)


def checkpoint(folder, name, **options):
    clip_name = nets.register_small_clip(folder)
    torch.manual_seed(1)
    save_file(nets.clip_model().state_dict(), folder / "clip.safetensors")
    save_file(nets.named_vit().state_dict(), folder / "dino.safetensors")
    clip = load_clip({"name": clip_name, "weights": str(folder / "clip.safetensors")}, SIZE)
    dino = load_dino({"name": "test_vit", "weights": str(folder / "dino.safetensors")}, SIZE)
    net = SelconNet(clip, dino, nets.ACTIONS, **options).eval()
    save_model(folder / name, net, {"name": "small", "averaging": FLIP})
    return folder / name


@pytest.fixture(scope="module")
def bundle(folder, run):
    arguments = ["export", str(run), "--out", str(folder / "bundle"), "--open"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return folder / "bundle"


@pytest.fixture(scope="module")
def picture(folder):
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    write_image(folder / "picture.png", image)
    return folder / "picture.png", image


def ground(picture, bundle, action, *options):
    return CliRunner().invoke(
        main, ["ground", str(picture[0]), "--bundle", str(bundle), "--action", action, *options]
    )


def test_the_robots_graph_is_the_same_with_and_without(run, bundle, folder):
    export_checkpoint(run, folder / "closed")
    closed, opened = load_bundle(folder / "closed"), load_bundle(bundle)
    assert closed.model == opened.model and set(closed.files) == {"model"}
    assert set(opened.files) == {"model", *OPEN_ROLES}
    assert set(load_bundle(bundle, roles=("model",)).files) == {"model"}
    (bundle / "open_text.onnx").rename(folder / "aside")
    (bundle / "open_text.onnx").write_bytes(b"another")
    try:
        load_bundle(bundle, roles=("model",))
        with pytest.raises(BundleError, match="open_text.onnx was changed"):
            load_bundle(bundle, roles=OPEN_ROLES)
    finally:
        (folder / "aside").replace(bundle / "open_text.onnx")


def test_any_verb_is_answered_as_torch_answers_it(run, bundle, picture):
    net, _ = load_model(run)
    clip = load_clip(net.clip.spec, SIZE)
    text = clip.encode_text([action_prompt("scoop_with")])
    loaded = load_bundle(bundle, roles=OPEN_ROLES)
    grounding = open_grounder(loaded, "Scoop with").ground(picture[1])
    image = torch.from_numpy(preprocess(picture[1], loaded.manifest))
    with torch.no_grad():
        cam, affinity = averaged(net, Averaging(**FLIP))(image, text)
    np.testing.assert_allclose(grounding.cam, cam[0].numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(grounding.affinity, affinity[0].numpy(), rtol=1e-3, atol=1e-4)
    assert grounding.cam.shape == (1, 8, 12)


def test_a_known_verb_asked_openly_is_what_the_class_list_says(bundle, picture):
    loaded = load_bundle(bundle)
    from selcon_ros.backends.onnxruntime import open_on_cpu
    from selcon_ros.core.grounding.grounder import Grounder

    closed = Grounder(loaded, open_on_cpu(loaded)).ground(picture[1]).heatmap("cut_with")
    opened = open_grounder(loaded, "cut-with").ground(picture[1]).heatmap("cut_with")
    np.testing.assert_allclose(opened.values, closed.values, atol=2e-3)


def test_ground_says_that_an_unknown_verb_is_unverified(bundle, picture, folder):
    out = folder / "overlay.png"
    result = ground(picture, bundle, "scoop with", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "scoop_with: open vocabulary, unverified" in result.stdout and out.is_file()
    assert "no grasp: no confidence is calibrated" in result.stdout
    assert "unknown action 'scoop with'" in result.stderr and "asking by open vocabulary" in result.stderr
    record = json.loads(ground(picture, bundle, "scoop with", "--json", "--min-confidence", "0").stdout)
    assert record["open_vocabulary"] is True and record["confidence"] is None
    assert all(grasp["score"] == 0 for grasp in record["grasps"])
    record = json.loads(ground(picture, bundle, "Hold", "--json").stdout)
    assert record["open_vocabulary"] is False and 0 <= record["confidence"] <= 1


@pytest.mark.parametrize(("action", "message"), [("", "action is empty"), ("x" * 61, "has 61 characters")])
def test_what_is_no_action_is_refused(bundle, picture, action, message):
    result = ground(picture, bundle, action)
    assert result.exit_code == 1 and message in result.output


def test_other_bundles_say_how_to_ask_any_verb(run, folder, picture):
    export_checkpoint(run, folder / "plain")
    result = ground(picture, folder / "plain", "scoop with")
    assert result.exit_code == 1
    assert "unknown action 'scoop with'" in result.output and "selcon export --open" in result.output
    with pytest.raises(BundleError, match="has no open vocabulary"):
        open_grounder(load_bundle(folder / "plain"), "scoop with")


def test_graphs_that_do_not_fit_are_told(bundle, picture, tmp_path):
    loaded = load_bundle(bundle)
    files = loaded.files | {"open_model": loaded.model}
    write_bundle(tmp_path / "swapped", loaded.manifest, files)
    with pytest.raises(BackendError, match="open_model of bundle .* failed"):
        open_grounder(load_bundle(tmp_path / "swapped"), "scoop").ground(picture[1])
    manifest = replace(loaded.manifest, map_grid=(4, 6))
    with pytest.raises(BackendError, match="manifest asks for"):
        open_grounder(replace(loaded, manifest=manifest), "scoop").ground(picture[1])
    files["open_text"] = b"not onnx"
    with pytest.raises(BackendError, match="open_text of bundle .* cannot be opened"):
        open_grounder(replace(loaded, files=files), "scoop")


def test_what_cannot_be_open_is_refused_before_anything_is_written(folder, run, tmp_path):
    linear = checkpoint(folder, "linear")
    with pytest.raises(ExportError, match="train with classifier: text"):
        export_checkpoint(linear, tmp_path / "out", open_vocabulary=True)
    net, _ = load_model(run)
    shutil.copytree(run, tmp_path / "other")
    net.text_action.mul_(-1)
    save_model(tmp_path / "other", net)
    with pytest.raises(ExportError, match="is not the one that the network was trained with"):
        export_checkpoint(tmp_path / "other", tmp_path / "out", open_vocabulary=True)
    net.clip.spec = EncoderSpec(net.clip.spec.name)
    save_model(tmp_path / "random", net)
    with pytest.raises(ExportError, match="weights are not named"):
        export_checkpoint(tmp_path / "random", tmp_path / "out", open_vocabulary=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "message"), [("ViT-Q-3", "knows no model"), ("ViT-B-16-SigLIP", "comes from a hub")]
)
def test_other_tokenizers_are_refused(name, message):
    with pytest.raises(EncoderError, match=message):
        clip_tokenizer(name)


def test_labels_are_written_as_in_class_lists():
    assert open_label("  Scoop-With ") == open_label("scoop_with") == "scoop_with"
    with pytest.raises(UnknownActionError):
        open_label(" - ")
