"""selcon export: sample pictures that come along, and another input size."""

import json
import logging
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.pictures.picture_files import write_image
from selcon_training.data.chosen_split import ValidationSplit
from selcon_training.encoders import load_clip, load_dino
from selcon_training.errors import DataError, EncoderError
from selcon_training.evaluate.tuning import tune
from selcon_training.export.bundle import SAMPLE_COUNT, export_checkpoint, picked_samples
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.models.selcon_net import SelconNet
from support import nets
from support.dataset import make_dataset

SIZE, OTHER = (64, 96), (128, 64)


def checkpoint(folder, name, size=SIZE, trained=False, dino="test_vit", meta=None):
    """A checkpoint of a random network whose encoders come from files."""
    clip_name = nets.register_small_clip(folder)
    torch.manual_seed(1)
    save_file(nets.clip_model().state_dict(), folder / "clip.safetensors")
    if dino == "test_vit":
        save_file(nets.named_vit().state_dict(), folder / "dino.safetensors")
    weights = str(folder / "dino.safetensors") if dino == "test_vit" else None
    clip = load_clip({"name": clip_name, "weights": str(folder / "clip.safetensors")}, size)
    net = SelconNet(clip, load_dino({"name": dino, "weights": weights}, size), nets.ACTIONS).eval()
    if trained:
        net.train_encoders(True)
        with torch.no_grad():
            net.dino.trunk.pos_embed.mul_(1.5)
    save_model(folder / name, net, meta)
    return folder / name


def pictures(folder, count):
    rng = np.random.default_rng(0)
    for number in range(count):  # told apart by their height
        image = rng.integers(0, 256, (20 + number, 30, 3), np.uint8)
        write_image(folder / f"{number // 10}" / f"{number:03d}.png", image)
    return folder


def heights(bundle):
    return [len(image) for image in read_samples(load_bundle(bundle))]


def export(run, out, *options):
    return CliRunner().invoke(main, ["export", str(run), "--out", str(out), *options])


def test_samples_are_spread_over_the_folder(tmp_path):
    folder = pictures(tmp_path / "valset", 22)
    for hidden in ("0/._000.png", ".trash/0.png"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_bytes(b"of another system")
    result = export(checkpoint(tmp_path, "run"), tmp_path / "b.zip", "--samples", str(folder))
    assert result.exit_code == 0, result.output
    assert heights(tmp_path / "b.zip") == [20, 23, 26, 29, 32, 35, 38, 41] and SAMPLE_COUNT == 8
    plain = export(checkpoint(tmp_path, "run"), tmp_path / "plain")
    assert plain.exit_code == 0 and set(load_bundle(tmp_path / "plain").files) == {"model"}
    assert list(picked_samples(pictures(tmp_path / "few", 3))) == ["sample.1", "sample.2", "sample.3"]


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("nowhere", None, "nowhere is not a folder"),
        ("empty", 0, "empty holds no pictures"),
        ("testset/egocentric", 2, r"000.png is of a test split \(testset\)"),
        ("data/nothingset", 2, r"of a test split \(nothingset\)"),
    ],
)
def test_pictures_that_are_none_or_of_the_test_set_are_refused(tmp_path, name, count, message):
    if count is not None:
        (tmp_path / name).mkdir(parents=True)
        pictures(tmp_path / name, count)
    with pytest.raises(DataError, match=message):
        picked_samples(tmp_path / name.split("/")[0])


def test_commands_that_rewrite_a_bundle_keep_its_samples(tmp_path):
    run = checkpoint(tmp_path, "run")
    export_checkpoint(run, tmp_path / "first", samples=pictures(tmp_path / "valset", 3))
    data = make_dataset(tmp_path / "squares", train=1, val=2, test=1, negatives=1)
    tune(tmp_path / "first", ValidationSplit(data, "Seen", limit=1), tmp_path / "tuned", threads=1)
    arguments = ["quantize", str(tmp_path / "tuned"), "--out", str(tmp_path / "int8"), "--tolerance", "10"]
    result = CliRunner().invoke(main, [*arguments, "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert "3 pictures" in result.stdout and "these are the bundle's 3 samples" in result.stdout
    first, last = (load_bundle(tmp_path / name) for name in ("first", "int8"))
    assert first.files.items() < last.files.items() and set(last.files) - set(first.files) == {"model.int8"}
    assert last.manifest.metrics["int8"]["images"] == 3
    shutil.rmtree(tmp_path / "first" / "samples")
    result = CliRunner().invoke(main, [*arguments[:1], str(tmp_path / "first"), *arguments[2:]])
    assert result.exit_code == 1 and "samples/1.jpg is missing" in result.output


def test_quantize_asks_for_pictures_where_the_bundle_brings_none(tmp_path):
    export_checkpoint(checkpoint(tmp_path, "run"), tmp_path / "plain")
    result = CliRunner().invoke(main, ["quantize", str(tmp_path / "plain"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "has no sample pictures" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_another_size_is_what_torch_gives_at_that_size(tmp_path, trained):
    run = checkpoint(tmp_path, "run", trained=trained, meta={"training": {"epochs": 3}})
    result = export(run, tmp_path / "b", "--size", "128,64", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["input_size"], record["map_grid"]) == ([128, 64], [8, 4])
    assert record["training"] == {"epochs": 3, "input_size": [64, 96]}
    net, _ = load_model(run)
    if trained:
        # As exported at its own size, with the learnt position embeddings stretched.
        for encoder in (net.clip, net.dino):
            encoder.set_input_size(OTHER)
        net.grid = net.map_grid = net.dino.grid
    else:
        # As training builds the encoders at that size.
        clip, dino = (
            load(spec, OTHER) for load, spec in ((load_clip, net.clip.spec), (load_dino, net.dino.spec))
        )
        built = SelconNet(clip, dino, nets.ACTIONS).eval()
        built.heads = net.heads
        net = built
    images = torch.randn(2, 3, *OTHER)
    session = onnxruntime.InferenceSession(load_bundle(tmp_path / "b").model)
    given = session.run(None, {"image": images.numpy()})
    with torch.no_grad():
        for ours, theirs in zip(given, net(images), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_the_trained_size_changes_nothing_and_another_leaves_the_confidence_out(tmp_path, caplog):
    fit = {"scale": [1.0] * len(nets.ACTIONS), "offset": [0.0] * len(nets.ACTIONS)}
    run = checkpoint(tmp_path, "run", meta={"confidence": fit})
    plain = export_checkpoint(run, tmp_path / "plain")
    assert export_checkpoint(run, tmp_path / "same", input_size=SIZE) == plain
    assert plain.confidence is not None and plain.training == {} and not caplog.records
    with caplog.at_level(logging.WARNING):
        assert export_checkpoint(run, tmp_path / "other", input_size=OTHER).confidence is None
    assert "fitted at input size (64, 96) and is left out" in caplog.text


@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_a_size_between_patches_names_the_nearest(tmp_path, trained):
    run = checkpoint(tmp_path, "run", trained=trained)
    result = export(run, tmp_path / "b", "--size", "100,96")
    assert result.exit_code == 1, result.output
    told = " ".join(result.output.split())
    assert "not a multiple of the patch" in told and "height 96 or 112, width 96" in told and "--size" in told
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("size", ["224", "1,2,3", "a,b", "-16,32", "16.0,32", ""])
def test_what_is_no_size_is_refused(tmp_path, size):
    result = export(tmp_path / "run", tmp_path / "b", "--size", size)
    told = " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == 2 and "must be height and width in pixels, for example 288,384" in told


def test_learnt_rotating_encoders_keep_their_size(tmp_path):
    run = checkpoint(tmp_path, "run", (32, 48), dino="vit_small_patch16_dinov3")
    with pytest.raises(EncoderError, match="export it at the size it was trained at"):
        export_checkpoint(run, tmp_path / "b", input_size=(48, 48))
