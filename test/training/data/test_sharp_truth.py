"""The part behind a blurred truth map, and what is wrong with label maps."""

import json

import cv2
import numpy as np
import pytest

from selcon_tabletop.view_files import truth_map
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import Augmentation, DenseImages, Variety, dense_items
from selcon_training.data.labels import Labels, part_kinds, read_label_maps, unpacked
from selcon_training.data.sharp_truth import sharp_truth
from selcon_training.errors import DataError
from support.dataset import COLOURS, make_dataset

SHAPE = (240, 320)


def knife():
    """A thin blade (1), its handle (2), another blade apart (1) and its handle (2)."""
    parts = np.zeros(SHAPE, np.uint8)
    parts[50:54, 40:140], parts[46:58, 140:180] = 1, 2
    parts[150:200, 60:66], parts[200:230, 56:70] = 1, 2
    return parts


def overlap(found, wanted):
    found = cv2.resize(found, SHAPE[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return (found & wanted).sum() / (found | wanted).sum()


def test_label_maps_give_back_the_part_that_was_blurred_however_thin():
    parts = knife()
    for wanted in (parts == 1, parts == 2, (parts == 1) & (np.mgrid[: SHAPE[0], : SHAPE[1]][0] < 100)):
        truth = truth_map(wanted)
        assert overlap(sharp_truth(truth, Labels(parts)), wanted) > 0.95
    blades = parts == 1
    assert overlap(sharp_truth(truth_map(blades), Labels()), blades) < 0.5  # half the peak is wider
    assert sharp_truth(truth_map(parts == 1), Labels(parts)).shape == SHAPE


def test_an_object_map_tells_apart_parts_of_one_kind_that_touch():
    parts = np.zeros(SHAPE, np.uint8)
    parts[100:104, 60:260] = 4
    objects = np.where(np.arange(320) < 160, parts, parts * 2)
    wanted = objects == 8
    assert overlap(sharp_truth(truth_map(wanted), Labels(parts, objects)), wanted) > 0.95
    assert overlap(sharp_truth(truth_map(wanted), Labels(parts)), wanted) < 0.9


def test_truth_that_no_part_explains_is_cut_at_half_its_peak():
    wanted = np.zeros(SHAPE, bool)
    wanted[100:200, 200:300] = True
    found = sharp_truth(truth_map(wanted), Labels(knife()))
    assert overlap(found, wanted) > 0.9
    assert not sharp_truth(np.zeros(SHAPE, np.uint8), Labels(knife())).any()


@pytest.mark.parametrize("cached", [False, True])
def test_sharp_targets_are_the_parts_and_masks_come_first(tmp_path, cached):
    data = open_dataset(make_dataset(tmp_path, train=3), "Seen")
    mask = np.zeros((96, 128), np.uint8)
    mask[:40] = 255
    path = next((data.base / "trainset" / "GT").glob("*/*/*.png"))
    beside = path.parents[3] / "mask" / path.relative_to(path.parents[2])
    beside.parent.mkdir(parents=True)
    cv2.imwrite(str(beside), mask)
    items = dense_items(data, "trainset", tuple(COLOURS))
    images = DenseImages(items, 3, (96, 128), (24, 32), Augmentation(), Variety(parts=True, sharp=True))
    if cached:
        images.cache()
    batch, masked = images.plain(range(3)), 0
    for row, item in enumerate(items):
        for action in item.truths:
            if item.masks.get(action):
                assert np.allclose(batch.truth[row, action], mask[::4, ::4] / 255, atol=0.15)
                masked += 1
            else:
                assert (batch.truth[row, action][batch.parts[row] == action + 1] > 0.4).all()
                assert batch.truth[row, action].sum() == pytest.approx((30 / 4) ** 2, rel=0.05)
    assert masked == 1


def test_packed_labels_are_the_maps_with_what_is_unknown():
    parts, objects = knife(), np.zeros(SHAPE, np.uint8)
    parts[:20], objects[40:120] = 255, 3
    mask = (objects > 0) * np.uint8(255)
    packed = Labels(parts, objects).packed((400, 400))
    assert len(packed) < 4000
    for found, wanted in zip(unpacked(packed, True, True), (parts, mask), strict=True):
        assert np.array_equal(found, wanted)
    assert np.array_equal(unpacked(Labels(parts).packed((400, 400)), True, False)[0], parts)
    only_objects = unpacked(Labels(objects=objects).packed((120, 160)), False, True)
    assert only_objects[0] is None and np.array_equal(only_objects[1], mask[1::2, 1::2])
    assert unpacked(Labels().packed((9, 9)), False, False) == (None, None)


def write(path, values):
    assert cv2.imwrite(str(path), values)
    return path


def test_label_maps_that_do_not_fit_are_named(tmp_path):
    ids = np.zeros((60, 80), np.uint8)
    ids[:5] = 7
    fine = write(tmp_path / "fine.png", ids)
    assert np.array_equal(read_label_maps(fine, fine, (120, 160), 8).parts, ids)
    for parts, objects, kinds, told in (
        (fine, None, 7, "fine.png holds id 7, but parts.json names 7 kinds"),
        (write(tmp_path / "tall.png", ids.T), None, 8, "tall.png is 60 x 80 pixels: not the shape"),
        (write(tmp_path / "rgb.png", np.dstack([ids] * 3)), None, 8, "rgb.png is uint8 .*single-channel"),
        (fine, write(tmp_path / "small.png", ids[::2, ::2]), 8, "fine.png and .*small.png .* two sizes"),
    ):
        with pytest.raises(DataError, match=told):
            read_label_maps(parts, objects, (120, 160), kinds)


def test_clutter_is_no_object_though_renders_name_its_kind(tmp_path):
    parts, objects = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    parts[10:20], objects[10:20] = 1, 3
    parts[30:40], objects[30:40] = 5, 9
    paths = write(tmp_path / "parts.png", parts), write(tmp_path / "objects.png", objects)
    labels = read_label_maps(*paths, (120, 160), 8, clutter=5)
    assert np.array_equal(labels.parts, parts) and np.array_equal(labels.mask > 0, parts == 1)
    assert np.array_equal(read_label_maps(*paths, (120, 160), 8).mask > 0, objects > 0)


@pytest.mark.parametrize(
    "names", [{}, {"parts": 3}, {"parts": ["a", 3]}, {"parts": []}, {"parts": ["x"] * 200}]
)
def test_a_parts_file_that_is_none_is_named(tmp_path, names):
    data = open_dataset(make_dataset(tmp_path, train=3), "Seen")
    assert len(part_kinds(data)) == 5
    (tmp_path / "parts.json").write_text(json.dumps(names))
    with pytest.raises(DataError, match=r"parts\.json must hold"):
        part_kinds(data)
    (tmp_path / "parts.json").unlink()
    assert part_kinds(data) is None
