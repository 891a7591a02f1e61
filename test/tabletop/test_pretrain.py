"""Encoder training: it learns, its weights load as pretrained ones, and a resumed run equals an
uninterrupted one."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from selcon_ros.core.errors import SelconError
from selcon_tabletop import encoders
from selcon_tabletop.parts import ACTIONS, PART_KINDS
from selcon_tabletop.pretrain import PretrainOptions, pretrain, pretrain_all
from selcon_tabletop.pretrain_models import PartPretraining
from selcon_tabletop.views import NAMED_KINDS, find_images, make_batch
from selcon_training.encoders import load_clip, load_dino

ACTION_LIST = list(ACTIONS)


@pytest.fixture(scope="module")
def few(small_world, tmp_path_factory):
    """Four of the small world's images, linked into a data set of their own."""
    root = tmp_path_factory.mktemp("few")
    (root / "dataset.json").write_text((small_world / "dataset.json").read_text())
    for path in sorted(small_world.glob("Seen/trainset/exocentric/*/*/*.jpg"))[:4]:
        for kind, suffix in (
            ("exocentric", ".jpg"),
            ("exocentric_parts", ".png"),
            ("exocentric_objects", ".png"),
        ):
            source = path.parents[3] / kind / path.parts[-3] / path.parts[-2] / (path.stem + suffix)
            target = root / source.relative_to(small_world)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    return root


def test_views_keep_image_and_labels_together(small_world):
    items = find_images(small_world, ACTION_LIST)[:6]
    batch = make_batch(items, ACTION_LIST, encoders.INPUT_SIZE, np.random.default_rng(0))
    assert batch.images.shape == (6, 3, 288, 384) and batch.parts.shape == (6, len(PART_KINDS), 36, 48)
    assert batch.objects.shape == (6, len(NAMED_KINDS), 18, 24)
    assert torch.allclose(batch.parts.sum(1), torch.ones(6, 36, 48)) and torch.allclose(
        batch.objects.sum(1), torch.ones(6, 18, 24)
    )
    # Parts of objects are where objects are, whatever turn and mirror the view has.
    nobodys = [PART_KINDS.index(kind) for kind in ("background", "clutter", "hand")]
    owned = torch.nn.functional.avg_pool2d(1 - batch.parts[:, nobodys].sum(1), 2)
    assert torch.allclose(owned, batch.objects[:, 1:-1].sum(1), atol=1e-5)


def test_a_resumed_run_equals_an_uninterrupted_one_and_its_weights_load(few, tmp_path):
    """Of the CLIP encoder; that of parts is resumed beside it, below."""
    options = PretrainOptions(epochs=3, batch=2, save_every=4)
    pretrain("clip", few, tmp_path, options, threads=1)
    whole = load_file(tmp_path / "clip.safetensors")
    (tmp_path / "clip.safetensors").unlink()
    assert torch.load(tmp_path / "clip.state.pt", weights_only=True)["step"] == 4 < 6
    pretrain("clip", few, tmp_path, options, resume=True, threads=1)
    resumed = load_file(tmp_path / "clip.safetensors")
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[key], resumed[key]) for key in whole)
    spec = {"name": encoders.CLIP_NAME, "weights": str(tmp_path / "clip.safetensors")}
    assert load_clip(spec, encoders.INPUT_SIZE).grid == (18, 24)


def test_encoders_train_side_by_side_and_one_of_them_goes_on(few, tmp_path):
    options = PretrainOptions(epochs=3, batch=2, save_every=4)
    losses = pretrain_all(["dino", "clip"], few, tmp_path, options, threads=1)
    assert set(losses["dino"]) == {"parts", "attention"} and set(losses["clip"]) == {"names", "actions"}
    whole = load_file(tmp_path / "dino.safetensors")
    (tmp_path / "dino.safetensors").unlink()
    assert torch.load(tmp_path / "dino.state.pt", weights_only=True)["step"] == 4 < 6
    clip = (tmp_path / "clip.safetensors").stat().st_mtime_ns
    pretrain("dino", few, tmp_path, options, resume=True, threads=1)
    resumed = load_file(tmp_path / "dino.safetensors")
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[key], resumed[key]) for key in whole)
    spec = {"name": encoders.DINO_NAME, "weights": str(tmp_path / "dino.safetensors")}
    assert load_dino(spec, encoders.INPUT_SIZE).grid == (18, 24)
    assert (tmp_path / "clip.safetensors").stat().st_mtime_ns == clip
    with pytest.raises(SelconError, match="nothing to resume"):
        pretrain_all(["dino"], few, tmp_path / "empty", options, resume=["dino"], threads=1)
    with pytest.raises(SelconError, match="nothing to resume"):  # said before any process is started
        pretrain_all(["dino", "clip"], few, tmp_path / "empty", options, resume=["dino", "clip"], threads=1)


def test_the_saved_part_encoder_gives_what_the_trained_one_gave(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = PartPretraining().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    save_file(model.encoder_state(), tmp_path / "dino.safetensors")
    loaded = load_dino(
        {"name": encoders.DINO_NAME, "weights": str(tmp_path / "dino.safetensors")}, encoders.INPUT_SIZE
    ).eval()
    images = torch.randn(1, 3, 288, 384)
    with torch.no_grad():
        for ours, theirs in zip(
            model.encoder(images, attention=True), loaded(images, attention=True), strict=True
        ):
            assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_few_steps_lower_the_losses(few, tmp_path):
    pretrain("dino", few, tmp_path, PretrainOptions(epochs=1, batch=4))
    first = json.loads((tmp_path / "dino.json").read_text())["losses"]["parts"]
    last = pretrain("dino", few, tmp_path, PretrainOptions(epochs=12, batch=2, learning_rate=5e-3))["parts"]
    assert last < 0.8 * first


def test_what_is_missing_is_named(few, tmp_path):
    with pytest.raises(SelconError, match="nothing to resume"):
        pretrain("dino", few, tmp_path, PretrainOptions(epochs=1, batch=4), resume=True)
    with pytest.raises(SelconError, match="fewer than a batch of 64"):
        pretrain("dino", few, tmp_path, PretrainOptions(epochs=1, batch=64))
    (tmp_path / "dataset.json").write_text(json.dumps({"actions": ACTION_LIST}))
    with pytest.raises(SelconError, match="selcon tabletop render"):
        pretrain("dino", tmp_path, tmp_path, PretrainOptions(epochs=1))
