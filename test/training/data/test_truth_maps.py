"""What a truth map may hold: read rightly where that is clear, else refused, by the check and by training
alike."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from selcon_training.data.agd20k import open_dataset
from selcon_training.data.check import check
from selcon_training.data.dense import dense_items
from selcon_training.data.notices import notices
from selcon_training.data.pairs import fitting
from selcon_training.data.truth_maps import decode_truth
from selcon_training.errors import DataError
from selcon_training.evaluate.queries import QueryFiles, find_pictures

SHAPE = (96, 128)
PART = np.zeros(SHAPE, bool)
PART[20:60, 30:90] = True
SOFT = cv2.GaussianBlur(PART.astype(np.float32), (0, 0), 4)


def labels(values, mode, palette=None):
    """A picture of label numbers, as annotation tools write them."""
    image = Image.fromarray(values, mode)
    if palette is not None:
        image.putpalette(palette)
    return image


VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]  # labelme's label.png has this palette
SPLIT = PART.astype(np.uint8) + (PART & (np.arange(128) > 60))
ONE = PART.astype(np.uint8)


SPECK = np.zeros(SHAPE, np.uint8)
SPECK[9:14, 9:14] = cv2.GaussianBlur(np.pad([[255.0]], 2), (5, 5), 0.6) * 2.2
SPECK[11, 11] = 255


def rgb(colour, ground=(0, 0, 0)):
    image = np.full((*SHAPE, 3), ground, np.uint8)
    image[PART] = colour
    return image


def alpha(colour, values):
    return np.dstack([np.full((*SHAPE, 3), colour, np.uint8), values])


CLEAR: dict[str, tuple[str, Any, Any]] = {
    "0 and 255": (".png", ONE * 255, PART),
    "0 and 1": (".png", ONE, PART),
    "0 and 7": (".png", ONE * 7, PART),
    "0 and 1 in 16 bits": (".png", ONE.astype(np.uint16), PART),
    "one bit": (".png", Image.fromarray(PART), PART),
    "graded": (".png", (SOFT * 255).astype(np.uint8), SOFT),
    "graded in 16 bits": (".png", (SOFT * 65535).astype(np.uint16), SOFT),
    "grey in three channels": (".png", np.dstack([(SOFT * 255).astype(np.uint8)] * 3), SOFT),
    "0 and 1 in three channels": (".png", np.dstack([ONE] * 3), PART),
    "labelme's palette": (".png", labels(ONE, "P", VOC), PART),
    "a palette without colours": (".png", labels(ONE, "P"), PART),
    "red on black": (".png", rgb((128, 0, 0)), PART),
    "COCO panoptic's number 1": (".png", rgb((1, 0, 0)), PART),
    "white with the map in alpha": (".png", alpha(255, (SOFT * 255).astype(np.uint8)), SOFT),
    "black with the map in alpha": (".png", alpha(0, ONE * 255), PART),
    "red, transparent elsewhere": (".png", np.dstack([rgb((200, 0, 0)), ONE * 255]), PART),
    "opaque": (".png", np.dstack([rgb(255), np.full(SHAPE, 255, np.uint8)]), PART),
    "nothing here": (".png", np.zeros(SHAPE, np.uint8), np.zeros(SHAPE)),
    "JPEG": (".jpg", ONE * 255, PART),
    "JPEG, graded": (".jpeg", (SOFT * 255).astype(np.uint8), SOFT),
    "capitals": (".PNG", ONE * 255, PART),
    "JPEG in capitals": (".JPG", ONE * 255, PART),
    "WebP": (".webp", ONE * 255, PART),
    "TIFF": (".tif", ONE, PART),
    "TIFF of fractions": (".TIFF", SOFT.astype(np.float32), SOFT),
    "BMP": (".bmp", ONE, PART),
    "a speck, blurred": (".png", SPECK, SPECK / 255),
    "antialiased": (
        ".png",
        cv2.resize(cv2.resize(ONE * 255, (48, 36)), (128, 96), interpolation=cv2.INTER_LINEAR),
        SOFT,
    ),
}
UNCLEAR: dict[str, tuple[str, Any, str]] = {
    "labels": (".png", SPLIT, r"label numbers \(0, 1, 2\)"),
    "labels with a void border": (".png", np.where(SOFT > 0.5, 15, (SOFT > 0.4) * 255), "label numbers"),
    "labels in a palette": (".png", labels(SPLIT, "P", VOC), "3 colours"),
    "labels in a palette of zeros": (".png", labels(SPLIT, "P", [0] * 9), r"label numbers \(0, 1, 2\)"),
    "two labels in one colour": (".png", labels(SPLIT, "P", [0, 0, 0, 9, 0, 0, 9, 0, 0]), "3 labels in 2"),
    "colours": (".png", rgb((0, 200, 0), (250, 250, 250)), "2 colours"),
    "a photograph": (".png", np.dstack([(SOFT * k).astype(np.uint8) for k in (50, 90, 200)]), "colours"),
    "everywhere": (".png", np.full(SHAPE, 255, np.uint8), "is 255 everywhere"),
    "two grounds": (".png", np.where(PART, 255, 127).astype(np.uint8), "127, 255, and which"),
    "bytes in 16 bits": (".png", (SOFT * 255).astype(np.uint16), "16 bits, but values up to 25"),
    "per mille in 16 bits": (".png", (SOFT * 1000).astype(np.uint16), "values up to 99. of 65535 only"),
    "colours and transparency": (
        ".png", np.dstack([rgb((200, 0, 0)), (SOFT * 255).astype(np.uint8)]), "both colours and transparency",
    ),
    "labels in JPEG": (".jpg", SPLIT, "JPEG with values up to [23]"),
    "fractions beyond one": (".tif", SOFT.astype(np.float32) * 100, "floating point values 0 to 1"),
    "fractions that add up to one": (".tif", SOFT / SOFT.sum(), "floating point values 0 to 0.000"),
    "no number": (".tif", np.where(PART, np.nan, 0).astype(np.float32), "floating point values"),
    "fractions everywhere": (".tif", np.full(SHAPE, 0.5, np.float32), "everywhere"),
}  # fmt: skip


def write(path, image):
    if isinstance(image, Image.Image):
        image.save(path)
        return
    image = np.asarray(image)
    image = image.astype(np.uint8) if image.dtype == np.int64 else image
    if image.ndim == 3:
        image = image[:, :, [2, 1, 0, *range(3, image.shape[2])]]
    assert cv2.imwrite(str(path), image)


def a_set_of(root, maps):
    """A test split with a picture and its truth map for each entry, named by its place."""
    for view in ("egocentric", "GT"):
        (root / f"testset/{view}/hold/cup").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, (suffix, image, _) in enumerate(maps.values()):
        name = f"hold/cup/{number:02d}"
        picture = rng.integers(0, 255, (*SHAPE, 3), np.uint8)
        assert cv2.imwrite(str(root / f"testset/egocentric/{name}.jpg"), picture)
        write(root / f"testset/GT/{name}{suffix}", image)
    return root


def test_clear_maps_are_read_by_check_and_training_alike(tmp_path):
    root = a_set_of(tmp_path, CLEAR)
    (report,) = check(root)
    assert report.ready, report.findings
    assert set(report.findings) == {"no training", "read as", "all zero"}
    counts = {count.kind: count.files for count in report.counts}
    assert counts == {"GT": len(CLEAR), "egocentric": len(CLEAR)}
    data = open_dataset(root)
    items = dense_items(data, "testset", ["hold"])
    assert len(items) == len(CLEAR)
    for (kind, (_, _, truth)), item in zip(CLEAR.items(), items, strict=True):
        values = fitting(item.truths[0], item.path)
        error = np.abs(values / 255.0 - np.asarray(truth, np.float64))
        assert error.max() < {"antialiased": 0.6, "JPEG, graded": 0.05}.get(kind, 0.005), kind
    assert f"1 of {len(CLEAR)} truth maps are zero everywhere" in notices(data, ["testset"])[0]
    notes = {Path(place.name).stem: place.note for place in report.findings["read as"]}
    assert notes["01"] == "values 0 and 1" and notes["18"] == "JPEG of 0 and 255" and "00" not in notes


def test_unclear_maps_are_refused_by_check_and_training_alike(tmp_path):
    root = a_set_of(tmp_path, UNCLEAR)
    (report,) = check(root)
    found = report.findings["truth values"]
    assert not report.ready and len(found) == len(UNCLEAR) == len(report.to_skip())
    for (kind, (_, _, told)), place in zip(UNCLEAR.items(), found, strict=True):
        assert re.search(told, place.note), kind
        assert "save it" in place.note and len(place.note) < 300
    with pytest.raises(DataError, match=r"17 of 17 truth maps cannot be used.*12 more.*data\.skip") as caught:
        dense_items(open_dataset(root), "testset", ["hold"])
    assert found[0].note.partition("truth map ")[2].partition(" ")[2] in str(caught.value)


def test_masks_and_truth_are_read_by_the_same_rule(tmp_path):
    root = a_set_of(tmp_path, {"truth": CLEAR["graded"]})
    for kind, content in (("mask", CLEAR["0 and 1"]), ("objectmask", UNCLEAR["labels"])):
        (root / f"testset/{kind}/hold/cup").mkdir(parents=True)
        write(root / f"testset/{kind}/hold/cup/00.png", content[1])
    (report,) = check(root)
    assert [place.name for place in report.findings["truth values"]] == ["testset/objectmask/hold/cup/00.png"]
    data = open_dataset(root)
    (picture,) = find_pictures(data, "testset", ["hold"])
    files, query = QueryFiles(data, "testset"), picture.queries["hold"]
    assert np.array_equal(files.mask(query), PART * np.uint8(255))
    with pytest.raises(DataError, match=r"label numbers .*selcon data check"):
        files.mask(query, "objectmask")


def test_a_map_of_percent_is_taken_as_it_is_and_said(tmp_path):
    root = a_set_of(tmp_path, {"percent": (".png", (SOFT * 100).astype(np.uint8), None)})
    (report,) = check(root)
    assert report.ready and [place.note for place in report.findings["weak truth"]] == ["up to 99 of 255"]
    data = open_dataset(root)
    (item,) = dense_items(data, "testset", ["hold"])
    assert fitting(item.truths[0], item.path).max() == 99
    (told,) = notices(data, ["testset"])
    assert "1 of 1 truth maps reach less than half of 255" in told and "00.png: 99" in told


def png(values):
    return cv2.imencode(".png", values)[1].tobytes()


@settings(deadline=None, max_examples=60)
@given(arrays(np.uint8, (4, 5), elements=st.integers(0, 255)))
def test_whatever_the_values_a_map_is_read_as_it_is_made_a_mask_or_refused(values):
    try:
        read = decode_truth(png(values), "a.png").values
    except DataError:
        assert len(np.unique(values)) > 1 or values.any()
        return
    mask = (values > 0) * np.uint8(255)
    assert np.array_equal(read, values) or (np.array_equal(read, mask) and len(np.unique(values)) == 2)


def test_two_maps_for_one_picture_are_named(tmp_path):
    root = a_set_of(tmp_path, {"one": CLEAR["graded"]})
    write(root / "testset/GT/hold/cup/00.jpg", ONE * 255)
    (report,) = check(root)
    (place,) = report.findings["two maps"]
    assert not report.ready and place.name.endswith("00.png") and place.note == "and 00.jpg"
    with pytest.raises(DataError, match=r"two files in GT, 00\.jpg and 00\.png.*data\.skip"):
        dense_items(open_dataset(root), "testset", ["hold"])
    (root / "skip.txt").write_text("testset/GT/hold/cup/00.jpg\n")
    assert check(root, skip=root / "skip.txt")[0].ready
    (item,) = dense_items(open_dataset(root, skip=root / "skip.txt"), "testset", ["hold"])
    assert item.truths[0][0].name == "00.png"


@pytest.mark.parametrize("exhaustive", [True, False])
def test_a_map_in_another_format_is_no_missing_one(tmp_path, exhaustive):
    root = a_set_of(tmp_path, {"one": CLEAR["graded"], "other": CLEAR["graded"]})
    truth = root / "testset/GT/hold/cup/01.png"
    truth.rename(truth.with_suffix(".npy"))
    (root / "dataset.json").write_text(json.dumps({"exhaustive_truth": exhaustive}))
    (report,) = check(root)
    assert report.ready != exhaustive and ("map not read" in report.findings) == exhaustive
    assert "1 .npy, of 2 files" in report.findings["not read"][0].note
    data = open_dataset(root)
    if exhaustive:
        with pytest.raises(DataError, match=r"01\.npy is in a format that is not read"):
            dense_items(data, "testset", ["hold"])
    else:
        assert len(dense_items(data, "testset", ["hold"])) == 1
        assert "1 of 4 files in" in notices(data, ["testset"])[0]
