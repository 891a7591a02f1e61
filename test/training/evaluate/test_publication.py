"""False answers against kept ones, intervals, and evaluations side by side."""

import json
import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_training.evaluate.answers import NegativeRow, QueryRow
from selcon_training.evaluate.intervals import intervals
from selcon_training.evaluate.publication import auc, curve, publication
from support.dataset import COLOURS
from support.pages import checked_page
from support.squares import squares_of


def row(right=True, confidence=0.9, action="cut", thing="knife", picture="cut/knife/a", kld=1.0, grasps=1):
    return QueryRow(picture, action, (thing,), kld, 0.5, 1.0, right, confidence, grasps, None)


def test_auc_counts_ties_half():
    assert auc(np.array([0.5, 0.9]), np.array([0.1, 0.5])) == pytest.approx((0.75 + 1) / 2)
    assert auc(np.array([]), np.array([0.1])) is None
    rng = np.random.default_rng(0)
    positive, negative = rng.random(40).round(1), rng.random(30).round(1)
    pairs = positive[:, None] - negative[None]
    assert auc(positive, negative) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_the_curve_rises_from_the_surest_to_everything():
    rng = np.random.default_rng(0)
    found = np.array(curve(rng.random(3000), rng.random(500)))
    assert found.shape == (200, 3) and (np.diff(found[:, 0]) < 0).all()
    assert (np.diff(found[:, 1:], axis=0) >= 0).all()
    assert found[-1, 1:].tolist() == [1, 1]
    assert curve(np.array([0.5]), np.array([0.5, 0.2])) == [[0.5, 0.5, 1.0], [0.2, 1.0, 1.0]]


def test_photos_are_counted_once_and_hold_apart():
    rows = [row(confidence=0.9), row(confidence=0.4)]
    answers = [
        NegativeRow("pour/x/1", "pour", 0.6, 1),
        NegativeRow("hold/x/1", "hold", 0.5, 1),
        NegativeRow("pour/x/2", "pour", 0.1, 0),
        NegativeRow("hold/x/2", "hold", 0.7, 1),
    ]
    found = publication(rows, {"nothing": answers, "empty": []}, 0.5)
    source = found["sources"]["nothing"]
    assert list(found["sources"]) == ["nothing"]
    assert (source["questions"], source["answered"]) == (4, 0.75)
    assert (source["photos"], source["photos_with_any"]) == (2, 1)
    assert source["intervals"] == {"answered": [0.5, 1], "photos_with_any": [1, 1], "auc": None}
    limits = {"answered": [0, 1], "photos_with_any": [0, 1]}
    counts = {"questions": 2, "answered": 0.5, "photos": 2, "photos_with_any": 0.5}
    assert source["without_hold"] == counts | {"intervals": limits}
    assert found["overall"]["kept"] == 0.5 and found["per_action"]["pour"]["kept"] is None
    assert publication(rows, {"nothing": []}, 0.5) is None


def test_intervals_are_over_objects_and_always_the_same():
    # Two objects of very many photos: right on one, wrong on the other.
    rows = [row(right=thing == "a", thing=thing) for thing in "ab" for _ in range(100)]
    found = intervals(rows)
    assert found["overall"]["right_part"] == [0, 1] and found["overall"]["objects"] == 2
    assert found == intervals(rows)
    # Of a single object there is no interval over objects; per object, photos are drawn.
    alone = intervals([row(right=place > 2, thing="a", picture=f"cut/a/{place}") for place in range(6)])
    assert alone["overall"]["objects"] == 1 and alone["overall"]["right_part"] is None
    assert alone["per_object"]["a"]["right_part"] == [pytest.approx(1 / 6), pytest.approx(5 / 6)]


squares = squares_of(test=6, negatives=3)


@pytest.fixture(scope="module")
def negatives(tmp_path_factory):
    """Three grey pictures and a red one, which the model takes for cut_with."""
    folder = tmp_path_factory.mktemp("nothing")
    (folder / "below").mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((96, 128, 3), 128, np.uint8))
    cv2.imwrite(str(folder / "below" / "3.png"), np.full((96, 128, 3), (0, 0, 255), np.uint8))
    return folder


def call(bundle, data, out, *more):
    arguments = ["evaluate", str(bundle), str(data), "--divide", "Seen", "--out", str(out), *map(str, more)]
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def not_afforded(squares, tmp_path_factory):
    """What the scenes of the test split do not show."""
    said = {}
    for path in (squares / "Seen/testset/egocentric").rglob("*.jpg"):
        said.setdefault(path.stem, set(COLOURS)).discard(path.parts[-3])
    file = tmp_path_factory.mktemp("absent") / "absent.json"
    file.write_text(json.dumps({"squares": {stem: sorted(left) for stem, left in said.items()}}))
    return file


@pytest.fixture(scope="module")
def measured(squares, bundle, negatives, not_afforded, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    result = call(bundle, squares, out, "--nothing", negatives, "--not-afforded", not_afforded)
    assert result.exit_code == 0, result.output
    return out, json.loads((out / "results.json").read_text()), result.stdout


def test_the_report_says_what_is_answered_falsely(measured):
    out, tables, text = measured
    sources = tables["publication"]["sources"]
    assert set(sources) == {"nothingset", "not afforded", "nothing"}
    assert sources["nothing"]["questions"] == 12 and sources["nothing"]["answered"] == pytest.approx(1 / 12)
    assert sources["nothing"]["photos_with_any"] == 0.25
    assert sources["nothing"]["without_hold"]["photos_with_any"] == 0.25
    assert sources["not afforded"]["questions"] == 6 and sources["not afforded"]["answered"] == 0
    assert tables["publication"]["overall"]["kept"] == 1 and tables["overall"]["photos"] == 6
    assert 0.9 < tables["publication"]["overall"]["auc"] < 1
    assert "not possible: how many reach a confidence of 0.5" in text and "95 % intervals over 3" in text
    page = checked_page(out / "report.html")
    assert "False answers against kept ones" in page and '<th scope="row">not afforded</th>' in page
    assert "below/3.png,cut_with" in (out / "queries.csv").read_text()


def test_scenes_of_clutter_are_a_source_of_their_own(squares, bundle, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(squares, data)
    for action in COLOURS:
        shutil.copytree(
            data / f"Seen/nothingset/egocentric/{action}", data / f"Seen/clutterset/egocentric/{action}"
        )
    result = call(bundle, data, tmp_path / "out")
    assert result.exit_code == 0, result.output
    tables = json.loads((tmp_path / "out/results.json").read_text())
    sources = tables["publication"]["sources"]
    assert set(sources) == {"nothingset", "clutterset"} and sources["clutterset"]["questions"] == 3
    assert tables["overall"]["nothing_queries"] == 3  # those of nothingset


def test_without_negative_queries_there_is_no_such_section(squares, bundle, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(squares, data)
    shutil.rmtree(data / "Seen/nothingset")
    result = call(bundle, data, tmp_path / "out", "--limit", 2)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out/results.json").read_text())["publication"] is None
    assert "False answers" not in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"mugs": {}}, "says nothing of squares or testset, but of 'mugs'"),
        ({"squares": {"nowhere": ["hold"]}}, "names no picture"),
        ({"squares": []}, "must be"),
        ({"testset": {"testset_000": ["fly"]}}, "must be a list of cut_with, hold, pour"),
        ({"testset": {"testset_000": ["cut_with"]}}, "does not afford cut_with, but has a truth map of it"),
    ],
)
def test_what_is_not_afforded_must_fit_the_data(squares, bundle, tmp_path, said, message):
    (tmp_path / "said.json").write_text(json.dumps(said))
    result = call(bundle, squares, tmp_path / "out", "--not-afforded", tmp_path / "said.json")
    assert result.exit_code == 1 and message in result.output and not (tmp_path / "out").exists()


def test_negative_pictures_must_be_there(squares, bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    result = call(bundle, squares, tmp_path / "out", "--negatives", tmp_path / "empty")
    assert result.exit_code == 1 and "holds no picture" in result.output
    result = call(bundle, squares, tmp_path / "out", "--negatives", tmp_path / "nowhere")
    assert result.exit_code == 1 and "is not a folder" in result.output
    result = call(bundle, squares, tmp_path / "out", "--negatives", tmp_path, "--baseline", "centre")
    assert result.exit_code == 2 and "without --baseline" in result.output


def table(*arguments):
    return CliRunner().invoke(main, ["table", *map(str, arguments)])


def test_the_table_has_the_reports_figures(measured, tmp_path):
    out, tables, _ = measured
    shutil.copytree(out, tmp_path / "copy")
    result = table(f"before={out}", f"after={tmp_path / 'copy'}", "--out", tmp_path / "t.md")
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "t.md").read_text().splitlines()
    overall, found = tables["overall"], tables["intervals"]["overall"]
    assert lines[2].startswith("| squares, Seen | before | 6 | 12 | 100.0 % [100, 100] | ")
    assert f"{overall['kld']:.2f} [{found['kld'][0]:.2f}, {found['kld'][1]:.2f}]" in lines[2]
    assert "nothing: 8.3 % of 12 (without hold 12.5 %), any in 25.0 % of 4 photos" in lines[2]
    assert "| action | photos | questions | before | after |" in lines
    assert any(line.startswith("| cut_with | 4 | 4 | 100.0 % [100, 100] | 100.0 %") for line in lines)
    columns = {line.count("|") for line in lines[:4]}
    assert len(columns) == 1


def test_tables_of_different_questions_are_refused(measured, tmp_path):
    out, tables, _ = measured
    assert "given twice" in table(f"a={out}", f"a={out}").output
    tables["per_action"]["hold"]["queries"] += 1
    (tmp_path / "results.json").write_text(json.dumps(tables))
    assert "different questions" in table(f"a={out}", f"b={tmp_path}").output
    del tables["intervals"]
    (tmp_path / "results.json").write_text(json.dumps(tables))
    result = table(f"a={out}", f"b={tmp_path}")
    assert result.exit_code == 1 and "lacks intervals: evaluate again" in result.output
    assert table("label").exit_code == 2 and table(f"a={tmp_path / 'nowhere'}").exit_code == 1
