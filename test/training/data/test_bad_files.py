"""Broken, left-out and odd files of a data set: training refuses what would stop it, and says what to do."""

import os

import cv2
import numpy as np
import pytest

from selcon_ros.core.pictures.pixel_limit import PixelLimit
from selcon_training.config import parse_config
from selcon_training.data import weak
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import Augmentation, DenseImages, dense_items
from selcon_training.data.transforms import apply_crop, decode_size, resize
from selcon_training.data.truncation import quick_check
from selcon_training.data.weak import draw_weak, load_weak, weak_split
from selcon_training.errors import DataError
from selcon_training.training.trainer import Trainer
from support.dataset import COLOURS, config_values, make_dataset
from support.nets import register_small_clip
from support.squares import squares_of

ACTIONS = tuple(COLOURS)


root = squares_of("function", train=6, test=3, exhaustive=False)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-400])
    return path


def write_skip(root, *paths):
    path = root / "skip.txt"
    path.write_text("# broken\n\n" + "".join(f"{p.relative_to(root).as_posix()}\n" for p in paths))
    return path


def test_listings_are_sorted_bytewise_and_leave_out_hidden_files(root):
    folder = root / "Seen/trainset/egocentric/pour/cut_spout"
    picture = next(folder.iterdir()).read_bytes()
    for path in folder.iterdir():
        path.unlink()
    for name in ("b.jpg", "B.JPG", "a2.jpeg", "a10.png", "é.jpg", "_.jpg", "a2-.jpg"):
        (folder / name).write_bytes(picture)
    for name in (".DS_Store", "._b.jpg", "Thumbs.db", "notes.txt"):
        (folder / name).write_text("no image")
    (folder.parent / ".cache").mkdir()
    (folder.parent / ".cache/x.jpg").write_bytes(picture)
    found = [item.path.name for item in open_dataset(root, "Seen").items("trainset") if item.action == "pour"]
    names = [name for name in found if not name.startswith("trainset")]
    assert names == ["B.JPG", "_.jpg", "a10.png", "a2-.jpg", "a2.jpeg", "b.jpg", "é.jpg"]
    assert names == sorted(names, key=os.fsencode)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"<html>not found</html>", "is not an image"), (None, "is cut short")],
)
def test_a_broken_image_stops_the_start_and_is_named(root, content, told):
    data = open_dataset(root, "Seen")
    path = data.listed("trainset", "exocentric")[3].path
    if content is None:
        cut_short(path)
    else:
        path.write_bytes(content)
    with pytest.raises(
        DataError, match=rf"1 of 24 image files.*{path.name} {told}.*selcon data check .*data\.skip"
    ):
        data.items("trainset", "exocentric")


def test_a_quick_check_accepts_what_can_be_read(root, tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    for suffix in (".jpg", ".png", ".bmp", ".webp"):
        data = cv2.imencode(suffix, image)[1].tobytes()
        (tmp_path / "x.jpg").write_bytes(data + b"notes" * 400)
        assert quick_check(tmp_path / "x.jpg") is None, suffix
    assert "No such file" in quick_check(tmp_path / "none.jpg")


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".tif", ".jpg"])
def test_a_quick_check_judges_every_format_by_its_header(tmp_path, monkeypatch, suffix):
    """Decoding a set of such files in full took minutes."""
    monkeypatch.setattr("selcon_training.data.truncation.decode", None)
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    content = cv2.imencode(suffix, image)[1].tobytes()
    path = tmp_path / "x.jpg"
    path.write_bytes(content + b"notes" * 400)
    assert quick_check(path) is None
    path.write_bytes(content[: len(content) // 2])
    assert "is cut short" in quick_check(path) or "whose size cannot be found" in quick_check(path)
    monkeypatch.setattr("selcon_training.data.truncation.PIXEL_LIMIT", PixelLimit(100))
    path.write_bytes(content + b"notes" * 400)
    assert "30 x 20 pixels; at most 100 are read" in quick_check(path)


def test_a_broken_truth_map_stops_the_start_too(root):
    data = open_dataset(root, "Seen")
    cut_short(next((root / "Seen/testset/GT").rglob("*.png")))
    with pytest.raises(DataError, match=r"1 of 6 truth maps.*cut short.*selcon data check .*data\.skip"):
        dense_items(data, "testset", ACTIONS)


def test_two_images_with_one_truth_map_are_told(root):
    path = open_dataset(root, "Seen").items("testset")[0].path
    path.with_suffix(".png").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="have one truth map"):
        dense_items(open_dataset(root, "Seen"), "testset", ACTIONS)


def test_an_image_damaged_inside_stops_at_its_reading(root):
    item = open_dataset(root, "Seen").items("trainset")[0]
    content = item.path.read_bytes()
    item.path.write_bytes(content[:3] + bytes(200) + content[203:])
    assert quick_check(item.path) is None  # both ends are there
    with pytest.raises(DataError, match=rf"{item.path.name} .*it is damaged.*selcon data check"):
        load_weak([item], (96, 128), Augmentation(), 0, 0, 0, 0)


def test_files_on_the_skip_list_are_left_out_everywhere(root):
    plain = open_dataset(root, "Seen")
    exo, ego = cut_short(plain.listed("trainset", "exocentric")[0].path), plain.listed("trainset")[2].path
    test = plain.listed("testset")
    truth = cut_short(plain.extra("testset", "GT", test[1]))
    data = open_dataset(root, "Seen", write_skip(root, exo, ego, truth))
    assert len(data.items("trainset", "exocentric")) == 23 and len(data.items("trainset")) == 11
    assert test[1] not in data.items("testset") and len(dense_items(data, "testset", ACTIONS)) == 5
    split = weak_split(data, "trainset", ACTIONS)
    assert {exo, ego}.isdisjoint(item.path for item in split.exo + split.ego)


def test_of_two_images_of_one_stem_only_the_named_one_is_skipped(root):
    item = open_dataset(root, "Seen").listed("testset")[0]
    twin = item.path.with_suffix(".png")
    assert cv2.imwrite(str(twin), cv2.imread(str(item.path)))
    kept = open_dataset(root, "Seen", write_skip(root, twin)).listed("testset")
    assert item in kept and twin not in [each.path for each in kept]


def test_a_skipped_picture_with_exhaustive_truth_goes_with_all_its_copies(tmp_path):
    root = make_dataset(tmp_path, train=3)
    truth = next((root / "Seen/trainset/GT").rglob("trainset_001.png"))
    data = open_dataset(root, "Seen", write_skip(root, truth))
    assert {item.stem for item in data.items("trainset")} == {"trainset_000", "trainset_002"}


@pytest.mark.parametrize("name", ["Seen/nowhere.jpg", "../data/skip.txt", "/etc/hostname"])
def test_a_wrong_skip_list_is_told(root, name):
    (root / "skip.txt").write_text(f"{name}\n")
    with pytest.raises(DataError, match=f"skip.txt: no such file in .*: '{name}'"):
        open_dataset(root, "Seen", root / "skip.txt")


def test_an_unreadable_skip_list_and_one_that_leaves_nothing_are_told(root):
    with pytest.raises(DataError, match="cannot read .*none.txt"):
        open_dataset(root, "Seen", root / "none.txt")
    everything = [item.path for item in open_dataset(root, "Seen").listed("testset")]
    with pytest.raises(DataError, match="every image is on the skip list"):
        open_dataset(root, "Seen", write_skip(root, *everything)).items("testset")


def test_class_lists_come_from_folders_a_name_a_list_or_a_file(root):
    data = open_dataset(root, "Seen")
    assert data.class_list(None) == ACTIONS and len(data.class_list("unseen")) == 25
    assert data.class_list(["pour", "hold"]) == ("pour", "hold")
    file = root / "actions.txt"
    file.write_text("\ufeff# label order\npour\n\n  hold  \ncut_with\n", encoding="utf-8")
    assert data.class_list(str(file)) == ("pour", "hold", "cut_with")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# nothing\n", "no action in it"),
        ("pour\nhold\npour\n", "'pour' more than once"),
        ("a/b\n", "'a/b' is no"),
    ],
)
def test_wrong_class_lists_are_told(root, text, told):
    (root / "actions.txt").write_text(text)
    with pytest.raises(DataError, match=told):
        open_dataset(root, "Seen").class_list(str(root / "actions.txt"))
    with pytest.raises(DataError, match=told):
        open_dataset(root, "Seen").class_list([line for line in text.split("\n") if line[:1] not in "#"])


def test_a_folder_with_one_exocentric_image_repeats_it(root):
    folder = root / "Seen/trainset/exocentric/pour/cut_spout"
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    split = weak_split(open_dataset(root, "Seen"), "trainset", ACTIONS)
    alone = split.exo_folder.index(("pour", "cut_spout"))
    draw = draw_weak(split, np.asarray([alone]), 3, seed=0, epoch=0, start=0)
    assert draw.exo.tolist() == [[alone] * 3]


def scene(height, width):
    rng = np.random.default_rng(3)
    image = np.full((height, width, 3), 128.0, np.float32)
    for step, contrast in ((8, 30), (32, 40), (128, 40)):
        coarse = rng.normal(0, contrast, (height // step + 2, width // step + 2, 3)).astype(np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("fit", ["cover", "stretch"])
def test_large_images_are_decoded_at_scale_and_look_the_same(root, fit, monkeypatch):
    item = open_dataset(root, "Seen").items("trainset")[0]
    cv2.imwrite(str(item.path), scene(1200, 1600))
    augmentation = Augmentation((8 / 7, 8 / 7), fit, flip=True)
    sizes = []

    def crop_and_note(picture, crop, size):
        sizes.append(picture.shape)
        return apply_crop(picture, crop, size)

    monkeypatch.setattr(weak, "apply_crop", crop_and_note)
    fast = load_weak([item], (96, 96), augmentation, 1, 0, 0, 0)[0]
    monkeypatch.setattr(weak, "decode_size", lambda *_: None)
    full = load_weak([item], (96, 96), augmentation, 1, 0, 0, 0)[0]
    assert sizes == [(300, 400, 3), (1200, 1600, 3)]
    error = np.mean((fast.astype(float) - full) ** 2)
    assert 10 * np.log10(255**2 / error) > 35
    assert decode_size((96, 128), 1.5) == (288, 384)


def test_a_large_test_picture_keeps_its_place(root):
    """Decoded at scale or not, cached or not, a picture and its truth map stay on top of each other."""
    data = open_dataset(root, "Seen")
    item = data.items("testset")[0]
    truth = data.extra("testset", "GT", item)
    picture, mask = np.zeros((800, 1000, 3), np.uint8), np.zeros((800, 1000), np.uint8)
    picture[500:700, 200:400], mask[500:700, 200:400] = 255, 255
    cv2.imwrite(str(item.path), picture)
    cv2.imwrite(str(truth), mask)
    chosen = [entry for entry in dense_items(data, "testset", ACTIONS) if entry.path == item.path]
    for cached in (False, True):
        images = DenseImages(chosen, 3, (96, 128), (24, 32), Augmentation())
        if cached:
            images.cache()
        batch = images.plain([0])
        seen = resize(batch.images[0], (24, 32))[..., 0] / 255.0
        assert np.abs(seen - batch.truth[0].max(axis=0)).max() < 0.2


def test_training_refuses_a_broken_set_unless_told_what_to_skip(root, tmp_path):
    broken = cut_short(open_dataset(root, "Seen").listed("trainset", "exocentric")[0].path)
    register_small_clip(tmp_path)
    values = config_values(root, tmp_path / "run", supervision="weak")
    with pytest.raises(DataError, match=f"{broken.name} is cut short.*selcon data check"):
        Trainer(parse_config(values))
    values["data"] |= {"skip": str(write_skip(root, broken)), "exocentric": 2}
    trainer = Trainer(parse_config(values))
    assert trainer.data.skip == {trainer.data.relative(broken)}
    assert not trainer.run(max_steps=1)
