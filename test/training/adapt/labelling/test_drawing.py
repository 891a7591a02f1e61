"""Strokes, and the masks that they make."""

import json

import numpy as np
import pytest

from selcon_training.adapt.labelling import drawing
from selcon_training.adapt.labelling.drawing import Stroke, masks, parse_change
from selcon_training.errors import DataError

SIZE = (96, 128)


def stroke(tool, points, size=0.0, action="hold"):
    return Stroke(action=action, tool=tool, size=size, points=points)


SQUARE = stroke("polygon", [(20, 10), (60, 10), (60, 50), (20, 50)])


@pytest.mark.parametrize("finely", [10**6, 0])
def test_a_polygon_takes_in_the_pixels_whose_middles_it_holds(monkeypatch, finely):
    monkeypatch.setattr(drawing, "MAX_FINE_PIXELS", finely)
    wanted = np.zeros(SIZE, np.uint8)
    wanted[10:50, 20:60] = 255
    made = masks([SQUARE], SIZE)["hold"]
    if finely:
        assert np.array_equal(made, wanted)
    else:  # in a very large photo the pixels of the border are taken in whole
        assert not (wanted & ~made).any() and (made != wanted).sum() <= 4 * 41


def test_a_polygon_is_cut_at_the_border_of_the_photo():
    made = masks([stroke("polygon", [(-50, -50), (30, -50), (30, 40), (-50, 40)])], SIZE)["hold"]
    assert made[:40, :30].all() and made.sum() == 255 * 40 * 30
    assert not masks([stroke("polygon", [(-50, -50), (-10, -50), (-10, -20)])], SIZE)


def test_a_brush_leaves_a_line_with_round_ends():
    made = masks([stroke("brush", [(30, 48), (90, 48)], size=20)], SIZE)["hold"] > 0
    rows, columns = np.nonzero(made)
    assert abs(rows.max() - rows.min() + 1 - 20) <= 1 and abs(columns.max() - columns.min() + 1 - 80) <= 1
    assert not made[rows.min() + 1, columns.min() + 1]  # a corner
    assert abs(made.sum() / (60 * 20 + np.pi * 100) - 1) < 0.05
    assert (
        abs((masks([stroke("brush", [(60, 48)], size=20)], SIZE)["hold"] > 0).sum() / (100 * np.pi) - 1)
        < 0.08
    )


def test_strokes_work_one_after_another_each_on_its_own_action():
    erased = [SQUARE, stroke("polygon", [(70, 60), (90, 60), (80, 90)], action="pour"),
              stroke("eraser", [(40, 30)], size=20)]  # fmt: skip
    made = masks(erased, SIZE)
    assert made["hold"][30, 40] == 0 and made["hold"][12, 22] == 255 and made["pour"][70, 80] == 255
    cleared = masks([*erased, stroke("clear", [])], SIZE)
    assert list(cleared) == ["pour"]
    again = masks([*erased, stroke("clear", []), SQUARE], SIZE)
    assert again["hold"][30, 40] == 255


BASE = {"revision": 0, "object": "", "nothing": False}
STROKE = {"action": "hold", "tool": "brush"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "JSON"),
        (json.dumps(BASE), "strokes"),
        (json.dumps(BASE | {"strokes": [STROKE | {"action": "fly"}]}), "fly"),
        (json.dumps(BASE | {"strokes": [STROKE | {"tool": "saw"}]}), "tool"),
        (json.dumps(BASE | {"strokes": [STROKE | {"points": [[1, 1e9]]}]}), "points"),
        (json.dumps(BASE | {"strokes": [STROKE | {"size": float("nan")}]}), "size"),
    ],
)
def test_what_is_no_drawing_is_refused(content, told):
    with pytest.raises(DataError, match=told) as caught:
        parse_change(content.encode(), ["hold"])
    assert "\n" not in str(caught.value)
