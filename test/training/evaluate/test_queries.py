"""Which questions a data set asks, and what lies beside their pictures."""

import cv2
import numpy as np
import pytest
from PIL import Image

from selcon_training.data.agd20k import open_dataset
from selcon_training.errors import DataError
from selcon_training.evaluate.evaluation import evaluate
from selcon_training.evaluate.predictors import CentrePredictor
from selcon_training.evaluate.queries import QueryFiles, find_pictures
from support.dataset import COLOURS, make_dataset


def test_exhaustive_pictures_are_asked_once_for_all_their_actions(measured_squares):
    pictures = find_pictures(open_dataset(measured_squares, "Seen"), "testset", list(COLOURS))
    assert len(pictures) == 9 and all(len(picture.queries) == 2 for picture in pictures)


def test_several_objects_of_one_picture_are_one_query(tmp_path):
    root = make_dataset(tmp_path, train=1, val=1, test=1, negatives=1)
    base = root / "Seen/testset"
    stem = "testset_000"
    for kind, suffix in (("egocentric", ".jpg"), ("GT", ".png"), ("mask", ".png")):
        source = base / kind / "cut_with" / "cut_spout" / (stem + suffix)
        target = base / kind / "cut_with" / "other" / (stem + suffix)
        target.parent.mkdir(parents=True)
        image = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(target), image if kind == "egocentric" else image[::-1].copy())
    data = open_dataset(root, "Seen")
    result = evaluate(CentrePredictor(), data, "testset", list(COLOURS))
    row = next(row for row in result.rows if row.action == "cut_with")
    assert row.objects == ("cut_spout", "other") and len(result.rows) == 2
    query = find_pictures(data, "testset", list(COLOURS))[0].queries["cut_with"]
    mask = QueryFiles(data, "testset").mask(query)
    assert np.array_equal(mask, mask[::-1])


def test_a_turned_picture_with_depth_is_not_guessed(tmp_path):
    data = open_dataset(make_dataset(tmp_path, test=1), "Seen")
    files = QueryFiles(data, "testset")
    query = next(iter(find_pictures(data, "testset", tuple(COLOURS))[0].queries.values()))
    assert files.geometry(query) is not None
    path = query.items[0].path
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)
    with pytest.raises(DataError, match="has EXIF orientation 6 and depth beside it: store it without"):
        files.geometry(query)
