"""The contact sheet of masks: what is drawn, counted and called odd."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("matplotlib", reason="matplotlib is missing: pip install 'selcon_ros[train]'")

from selcon_ros.cli.main import main
from selcon_training.reporting.tiles import FRAME_WIDTH, GAP, LINE_HEIGHT, RIGHT, WRONG
from support import photos
from support.dataset import SIZE

HEAD = 2 * GAP + LINE_HEIGHT


def show(*arguments):
    result = CliRunner().invoke(main, ["data", "show", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output


@pytest.mark.parametrize("layout", photos.LAYOUTS)
def test_masks_are_counted_in_every_layout(tmp_path, layout):
    code, out = show(photos.LAYOUTS[layout](tmp_path), "--json")
    told = json.loads(out)
    share = photos.mask_of(5, 5).mean()
    assert code == 0 and told["layout"] == layout and told["warnings"] == []
    for action in photos.LABELS:
        row = told["actions"][action]
        assert row["photos"] == 4 and row["warnings"] == 0 and abs(row["median_share"] - share) < 1e-6


def break_masks(root):
    """Of the first action: an empty mask, one of nearly the whole photo, one of another shape, none."""
    paths = sorted((root / "mask" / photos.LABELS[0]).rglob("*.png"))
    whole = np.full(SIZE, 255)
    whole[0] = 0
    for path, values in zip(paths, (np.zeros(SIZE), whole, np.eye(20) * 255), strict=False):
        cv2.imwrite(str(path), values.astype(np.uint8))
    paths[3].unlink()
    return paths


def test_odd_masks_are_told_and_framed(tmp_path):
    root = photos.folders(tmp_path / "data")
    broken = break_masks(root)
    photos.negatives(root / "negatives", 2)
    code, out = show(root, "--out", tmp_path / "sheet.jpg", "--json")
    told = json.loads(out)
    texts = {each["photo"].rpartition("/")[2]: each["warning"] for each in told["warnings"]}
    assert code == 0 and told["actions"][photos.LABELS[0]]["warnings"] == 4 and told["nothing"] == 2
    wanted = ("empty", "covers 99 % of the photo", "not the shape of its image", "no mask")
    for path, text in zip(broken, wanted, strict=True):
        assert text in texts[path.name]
    sheet = cv2.imread(str(tmp_path / "sheet.jpg"))[:, :, ::-1].astype(int)
    tops = [HEAD + FRAME_WIDTH // 2, 2 * HEAD + LINE_HEIGHT + 129 + 2 * FRAME_WIDTH + GAP + FRAME_WIDTH // 2]
    framed = [
        np.abs(sheet[top, GAP + 60] - colour).sum() for top, colour in zip(tops, (WRONG, RIGHT), strict=True)
    ]
    assert max(framed) < 60


def test_a_folder_gets_a_picture_of_each_mask(tmp_path):
    root, out = photos.folders(tmp_path / "data"), tmp_path / "out"
    code, text = show(root, "--out", out)
    assert code == 0 and "12 masks" in text
    made = sorted(out.rglob("*.jpg"))
    assert len(made) == 12
    image, places = photos.scenes(6)[0]
    action, (left, top) = next(iter(places.items()))
    (path,) = [path for path in made if path.parent.name == action and path.stem.endswith("p0")]
    drawn = cv2.imread(str(path))[:, :, ::-1].astype(int)
    scale = drawn.shape[0] / SIZE[0]
    middle = drawn[round(scale * (top + 4)), round(scale * (left + 4))]
    assert drawn.shape[1] == 1024 and np.abs(middle - image[top + 4, left + 4]).sum() > 60
    assert np.abs(drawn[5, 5] - image[0, 0]).sum() < 60


def test_a_folder_without_masks_is_refused(tmp_path):
    photos.negatives(tmp_path)
    code, text = show(tmp_path)
    assert code == 1 and "holds no masks" in text


def labelled(path, label):
    """A photo with one part, in labelme's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*SIZE, 3), 90, np.uint8))
    part = {"label": label, "points": [[1, 1], [20, 1], [20, 20]], "shape_type": "polygon"}
    height, width = SIZE
    told = {"shapes": [part], "imagePath": path.name, "imageHeight": height, "imageWidth": width}
    path.with_suffix(".json").write_text(json.dumps(told))


def test_labels_that_are_paths_lead_nowhere(tmp_path):
    labels = ["../../up", str(tmp_path / "away"), "..", "a/b", "x" * 300, "red\x1b[31m"]
    for number, label in enumerate(labels):
        labelled(tmp_path / f"data/{number}.png", label)
    before = {path for path in tmp_path.rglob("*") if "data" not in path.parts}
    code, text = show(tmp_path / "data", "--out", tmp_path / "deep/out")
    made = {path for path in tmp_path.rglob("*") if path.is_file() and "data" not in path.parts} - before
    assert code == 0 and len(made) == len(labels) and "\x1b" not in text
    assert {path.parent.parent for path in made} == {tmp_path / "deep/out"}


def test_photos_of_one_name_do_not_overwrite_each_other(tmp_path):
    for folder in ("a/mug", "b/mug", "c/mug"):
        labelled(tmp_path / f"data/{folder}/1.png", "hold")
    assert show(tmp_path / "data", "--out", tmp_path / "out")[0] == 0
    names = sorted(path.name for path in (tmp_path / "out/hold").iterdir())
    assert names == ["mug__1.jpg", "mug__1_2.jpg", "mug__1_3.jpg"]


def test_a_photo_that_is_a_link_to_elsewhere_is_shown(tmp_path):
    labelled(tmp_path / "data/1.png", "hold")
    (tmp_path / "data/1.png").rename(tmp_path / "kept.png")
    (tmp_path / "data/1.png").symlink_to(tmp_path / "kept.png")
    assert show(tmp_path / "data", "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/hold/1.jpg").is_file()
