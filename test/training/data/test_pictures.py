"""Folders of real pictures: what is taken of them, what is refused, what is kept in memory."""

import hashlib
import json
import os

import cv2
import numpy as np
import pytest

from selcon_training.data import pictures
from selcon_training.data.pictures import PictureFile, PicturePool, find_pictures, pool_of
from selcon_training.errors import DataError


def write(path, shape=(60, 80), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), values)
    return path


def media(folder, entries):
    files = [
        {"path": path, "kind": kind, "use": use, "sha256": hashlib.sha256(content).hexdigest()}
        for path, kind, use, content in entries
    ]
    (folder / "media.json").write_text(json.dumps({"format": 1, "files": files}))


@pytest.fixture
def collected(tmp_path):
    entries = []
    for number, (kind, use) in enumerate(
        [("picture", ["background", "negative"]), ("picture", ["calibration"]), ("texture", ["texture"])]
    ):
        path = write(tmp_path / f"{kind}s" / f"{number}.png", seed=number)
        entries.append((str(path.relative_to(tmp_path)), kind, use, path.read_bytes()))
    write(tmp_path / "pictures" / "unlisted.png")
    media(tmp_path, [*entries, ("meshes/a.obj", "mesh", ["background"], b"")])
    return tmp_path


def test_a_media_folder_gives_what_it_lists_for_the_use_alone(collected):
    for use, name in (("background", "0.png"), ("negative", "0.png"), ("texture", "2.png")):
        assert [file.path.name for file in find_pictures(collected, use, "data.x")] == [name]


def test_any_other_folder_gives_all_its_pictures_in_the_order_of_their_names(tmp_path):
    for name in ("b/2.JPG", "a.png", "b/1.webp", ".hidden/3.png", "b/.4.png"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    found = find_pictures(tmp_path, "background", "data.backgrounds")
    assert [os.path.relpath(file.path, tmp_path) for file in found] == ["a.png", "b/1.webp", "b/2.JPG"]


def test_several_folders_give_one_pool_with_each_picture_once(collected, tmp_path):
    rooms = tmp_path / "rooms"
    write(rooms / "a.png", seed=7)
    listed, room = (
        PicturePool([PictureFile(path)], (30, 40), "x")[0]
        for path in (collected / "pictures" / "0.png", rooms / "a.png")
    )
    pool = pool_of([collected, rooms, rooms / ".." / "rooms"], "background", "data.backgrounds", (30, 40))
    assert len(pool) == 2 and np.array_equal(pool[0], listed) and np.array_equal(pool[1], room)
    with pytest.raises(DataError, match=r"data\.backgrounds = .*/gone is not a folder"):
        pool_of([collected, tmp_path / "gone"], "background", "data.backgrounds", (30, 40))


def changed(name, value):
    def change(folder):
        entries = json.loads((folder / "media.json").read_text())
        entries["files"][0][name] = value
        (folder / "media.json").write_text(json.dumps(entries))

    return change


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (changed("path", "../elsewhere.png"), "'../elsewhere.png' leads out of the folder"),
        (changed("path", "/etc/hostname"), "'/etc/hostname' leads out of the folder"),
        (changed("path", "pictures/gone.png"), "lists 'pictures/gone.png', which is not there"),
        (changed("path", 3), r"files\[0\] has no path"),
        (changed("use", ["negative"]), "no picture for the use background, only for calib.*collect some"),
        (changed("sha256", "0" * 64), r"0\.png is not the file that media\.json lists: its SHA-256 differs"),
        (lambda folder: (folder / "media.json").write_text("[]"), "must hold an object"),
        (lambda folder: (folder / "media.json").write_text("{}"), r'must hold \{"files"'),
        (lambda folder: (folder / "pictures/0.png").write_bytes(b""), "differs|is empty"),
    ],
)
def test_what_is_wrong_with_a_media_folder_is_named(collected, tmp_path, spoil, told):
    write(tmp_path.parent / "elsewhere.png")
    spoil(collected)
    with pytest.raises(DataError, match=told):
        pool_of([collected], "background", "data.backgrounds", (30, 40))


def test_a_link_out_of_a_media_folder_is_refused(collected, tmp_path_factory):
    outside = write(tmp_path_factory.mktemp("outside") / "x.png")
    (collected / "pictures" / "0.png").unlink()
    (collected / "pictures" / "0.png").symlink_to(outside)
    with pytest.raises(DataError, match="leads out of the folder"):
        find_pictures(collected, "background", "data.backgrounds")


def test_links_in_a_test_split_are_of_it_wherever_they_lead(tmp_path):
    picture = write(tmp_path / "pictures" / "x.png")
    link = tmp_path / "check" / "testset" / "egocentric" / "hold" / "cup" / "x.png"
    link.parent.mkdir(parents=True)
    link.symlink_to(picture)
    with pytest.raises(DataError, match=r"of a test split \(testset\)"):
        find_pictures(tmp_path / "check", "negative", "data.negatives")
    assert find_pictures(tmp_path / "pictures", "negative", "data.negatives")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: None, "data.negatives = .* holds no picture .*leave the key out"),
        (lambda folder: (folder / "x.txt").write_text("x"), "holds no picture"),
        (lambda folder: folder.rmdir(), "data.negatives = .* is not a folder"),
        (lambda folder: write(folder / "Seen" / "testset" / "x.png"), "of a test split .testset."),
        (lambda folder: (folder / "x.png").write_bytes(b"text"), "1 of 1 pictures .*x.png is not an image"),
        (
            lambda folder: (folder / "x.png").write_bytes(write(folder / "y.png").read_bytes()[:200]),
            "1 of 2 pictures cannot be used: .*x.png is cut short",
        ),
    ],
)
def test_folders_that_cannot_be_used_are_named(tmp_path, make, told):
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    with pytest.raises(DataError, match=told):
        pool_of([folder], "negative", "data.negatives", (30, 40))


def test_pictures_are_kept_small_and_in_bounded_memory(tmp_path, monkeypatch):
    shapes = [(60, 80), (300, 400), (40, 900), (20, 20)]
    files = [PictureFile(write(tmp_path / f"{n}.png", shape, n)) for n, shape in enumerate(shapes)]
    pool = PicturePool(files, (30, 40), "data.x", threads=2)
    assert [picture.shape[:2] for picture in map(pool.__getitem__, range(4))] == [
        (30, 40), (30, 40), (4, 80), (20, 20),
    ]  # fmt: skip
    monkeypatch.setattr(pictures, "MAX_CACHED_BYTES", 2 * (2 * 3 * 30 * 40))
    bounded = PicturePool(files, (30, 40), "data.x")
    assert len(bounded) == 4 and len(bounded._kept) == 2
    assert all(np.array_equal(bounded[number], pool[number]) for number in range(4))
