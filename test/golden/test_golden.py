"""What version 0.1.0 wrote is read, and what it answered is answered: files of `0.1.0/make.py`."""

import json
import zipfile
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest

from selcon_ros import find_grasps, load
from selcon_ros.cli.main import main
from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.pictures.picture_files import read_image

GOLDEN = Path(__file__).parent / "0.1.0"
CAMERA = Intrinsics(300.0, 300.0, 160.0, 120.0, 320, 240)
MOVED = {"ablate", "audit"}
"""Commands of studies: run from a clone now, by experiments/."""
MOVED_OPTIONS = {"bench": {"engines": {"--authors", "--paper-size", "--rounds"}, "training": None}}


def read(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def test_a_bundle_gives_the_same_heatmaps_and_grasps():
    arrays, grasps = np.load(GOLDEN / "arrays.npz"), read("grasps")
    depth = cv2.imread(str(GOLDEN / "depth.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    with load(GOLDEN / "bundle.zip") as model:
        grounding = model.ground(read_image(GOLDEN / "image.png"))
        assert list(model.actions) == list(grasps)
        for action, said in grasps.items():
            heatmap = grounding.heatmap(action)
            np.testing.assert_allclose(heatmap.values, arrays[action].astype(np.float32), atol=1e-3)
            assert heatmap.confidence == pytest.approx(said["confidence"], abs=1e-5)
            points = [each.record() for each in find_grasps(heatmap, depth, CAMERA).points]
            assert len(points) == len(said["points"])
            for point, golden in zip(points, said["points"], strict=True):
                for key, value in golden.items():
                    near = value if isinstance(value, str) else np.array(value)
                    own = point[key] if isinstance(value, str) else np.array(point[key])
                    assert own == near if isinstance(value, str) else np.allclose(own, near, atol=1e-4), key


def test_a_checkpoint_gives_the_same_maps(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")
    from selcon_training.models.checkpoint import load_model
    from support.nets import register_small_clip

    register_small_clip(tmp_path)
    with zipfile.ZipFile(GOLDEN / "checkpoint.zip") as packed:
        packed.extractall(tmp_path)
    net, meta = load_model(tmp_path / "checkpoint")
    assert meta == {"training": {"synthetic": True}}
    images = torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = net.eval()(images)
    golden = np.load(GOLDEN / "arrays.npz")
    for index, output in enumerate(outputs):
        np.testing.assert_allclose(output.numpy(), golden[f"net_{index}"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("path", sorted((GOLDEN / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_means_the_same(path):
    pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")
    from selcon_training.config import load_config

    now = load_config(path, ["data_threads=1"]).model_dump(mode="json")
    assert_within(read("configs")[path.stem], now, path.stem)


def assert_within(golden: Any, now: Any, place: str) -> None:
    """Every key is there still with its value; there may be others."""
    if isinstance(golden, dict) and isinstance(now, dict):
        for key, value in golden.items():
            assert key in now, f"{place}.{key} is gone"
            assert_within(value, now[key], f"{place}.{key}")
    else:
        assert golden == now, place


def test_every_command_has_its_options_still():
    pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")
    context = click.Context(main)
    for name, golden in read("commands").items():
        if name in MOVED:
            continue
        assert_options(golden, main.get_command(context, name), [name], context)


def assert_options(golden: Any, now: Any, place: list[str], context: click.Context) -> None:
    moved: Any = MOVED_OPTIONS
    for word in place:
        moved = moved.get(word, {}) if moved is not None else None
    if moved is None:
        return
    assert now is not None, f"{place} is gone"
    if isinstance(golden, dict):
        for name, inner in golden.items():
            assert_options(inner, now.get_command(context, name), [*place, name], context)
    else:
        lost = set(golden) - {word for each in now.params for word in each.opts} - set(moved)
        assert not lost, f"{place}: {lost}"
