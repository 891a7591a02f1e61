"""The contact sheet of an evaluation."""

import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="torch is missing: pip install 'selcon_ros[train]'")

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.data.agd20k import open_dataset
from selcon_training.evaluate.evaluation import evaluate
from selcon_training.evaluate.predictors import CentrePredictor, ModelPredictor
from selcon_training.reporting import sheet, tiles
from selcon_training.reporting.answer_picture import RIGHT, WRONG
from selcon_training.reporting.sheet import write_sheet
from selcon_training.reporting.tiles import CELL_SIZE, COLUMNS, FRAME_WIDTH, GAP, LINE_HEIGHT
from support.bundles import colour_bundle
from support.dataset import COLOURS, make_dataset

ACTIONS = tuple(COLOURS)
HEAD = 2 * GAP + 2 * LINE_HEIGHT
TILE = (CELL_SIZE[0] + 2 * FRAME_WIDTH + GAP, CELL_SIZE[1] + 2 * FRAME_WIDTH + LINE_HEIGHT + GAP)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_dataset(
        make_dataset(tmp_path_factory.mktemp("squares"), train=1, test=7, negatives=5), "Seen"
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    bundle = load_bundle(colour_bundle(tmp_path_factory.mktemp("bundle") / "colours"))
    return ModelPredictor(Grounder(bundle, open_on_cpu(bundle)))


def drawn(path, predictor, data):
    """The evaluation, and the sheet as RGB."""
    result = evaluate(predictor, data, "testset", ACTIONS)
    write_sheet(path, result, predictor, data, ACTIONS)
    return result, cv2.imread(str(path))[:, :, ::-1]


def marks(picture, top, count):
    """Whether each of `count` tiles, the first at this height, is marked as right."""
    found = []
    for number in range(count):
        row, column = divmod(number, COLUMNS)
        bottom, left = top + (row + 1) * TILE[1] - GAP, GAP + column * TILE[0]
        label = np.median(picture[bottom - LINE_HEIGHT : bottom, left : left + TILE[0] - GAP], axis=(0, 1))
        right, wrong = (np.abs(label - colour).sum() for colour in (RIGHT, WRONG))
        assert min(right, wrong) < 40
        found.append(right < wrong)
    return found


def test_every_query_is_framed_by_its_answer(data, model, tmp_path):
    for predictor in (model, CentrePredictor()):
        result, picture = drawn(tmp_path / "sheet.jpg", predictor, data)
        rows = sorted(result.rows, key=lambda row: (row.action, row.objects, row.picture))
        assert marks(picture, HEAD, len(rows)) == [row.right for row in rows]
        second = HEAD + 2 * TILE[1] + 2 * GAP + LINE_HEIGHT
        if predictor.has_confidence:
            answered = [row.grasps > 0 for row in result.negatives]
            assert sorted(marks(picture, second, 5)) == sorted(not one for one in answered)
        else:
            assert picture.shape[0] < second and len({row.right for row in rows}) == 2


def test_scenes_of_clutter_have_rows_of_their_own(data, model, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(data.root, root)
    shutil.copytree(root / "Seen/nothingset", root / "Seen/clutterset")
    for extra in (root / "Seen/clutterset/egocentric").glob("*/*/*4.jpg"):
        extra.unlink()
    result, picture = drawn(tmp_path / "sheet.jpg", model, open_dataset(root, "Seen"))
    rows = result.other_negatives["clutterset"]
    assert 0 < len(rows) < len(result.negatives)
    end = HEAD + 4 * TILE[1] + 2 * (2 * GAP + LINE_HEIGHT)  # two rows of queries, one of each of the others
    assert picture.shape[0] == end
    answered = [row.grasps > 0 for row in rows]
    found = marks(picture, end - TILE[1], len(rows))
    assert sorted(found) == sorted(not each for each in answered)


def test_the_heat_and_the_outline_are_drawn_where_they_are(data, model, tmp_path):
    result, picture = drawn(tmp_path / "sheet.jpg", model, data)
    row = min(result.rows, key=lambda row: (row.action, row.objects, row.picture))
    asked = row.action, row.picture
    item = next(item for item in data.items("testset") if (item.action, item.stem) == asked)
    mask = cv2.imread(str(data.extra("testset", "mask", item)), cv2.IMREAD_UNCHANGED)
    tile = picture[
        HEAD + FRAME_WIDTH : HEAD + FRAME_WIDTH + CELL_SIZE[1],
        GAP + FRAME_WIDTH : GAP + FRAME_WIDTH + CELL_SIZE[0],
    ]
    scale = min(CELL_SIZE[0] / mask.shape[1], CELL_SIZE[1] / mask.shape[0])
    left = (CELL_SIZE[0] - round(scale * mask.shape[1])) // 2
    rows, columns = np.nonzero(mask)
    corners = [(v, u) for v in (rows.min(), rows.max()) for u in (columns.min(), columns.max())]
    for v, u in corners:
        at = round(v * scale), left + round(u * scale)
        near = tile[max(0, at[0] - 4) : at[0] + 5, max(0, at[1] - 4) : at[1] + 5]
        assert near.min(axis=2).max() > 150, (v, u)  # white of the outline


def test_many_queries_are_shown_in_part(data, model, tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "MAX_TILES", 4)
    _, picture = drawn(tmp_path / "sheet.jpg", model, data)
    assert (
        picture.shape[0] == HEAD + 2 * TILE[1] + 2 * GAP + LINE_HEIGHT
    )  # a row of queries, and one of nothing


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 2), (300, 300)])
def test_pictures_of_any_shape_are_shown_whole(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    placed = tiles.placed(tiles.enlarged(image))
    assert placed.shape == (CELL_SIZE[1], CELL_SIZE[0], 3)
    rows, columns = np.nonzero((placed == 200).all(axis=2))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height == CELL_SIZE[1] or width == CELL_SIZE[0]
    scale = min(CELL_SIZE[0] / shape[1], CELL_SIZE[1] / shape[0])
    assert abs(height - max(1, shape[0] * scale)) <= 1 and abs(width - max(1, shape[1] * scale)) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.zip", "b.zip", "data", "--sheet", "sheet.jpg"], "--sheet shows the answers of one model"),
        (["a.zip", "data", "--sheet", "sheet.png"], "is to be a JPEG: give a name that ends in .jpg"),
        (["a.zip", "data", "--sheet", "folder.jpg"], "cannot write folder.jpg: Is a directory"),
    ],
)
def test_a_sheet_that_cannot_be_made_is_told_before_the_work(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.jpg").mkdir()
    done = CliRunner().invoke(main, ["evaluate", *arguments, "--out", str(tmp_path)])
    assert done.exit_code != 0 and message in done.output
