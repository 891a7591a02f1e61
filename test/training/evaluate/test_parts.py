"""selcon evaluate in several processes: the report is that of one."""

import json
import math

import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.pictures.picture_files import write_image
from selcon_training.errors import DataError
from selcon_training.evaluate.answers import Answers, NegativeRow, QueryRow
from selcon_training.evaluate.measures import Scores
from selcon_training.evaluate.parts import EvaluationParts
from selcon_training.ranks import Ranks
from selcon_training.reporting.evaluation import run, run_seeds
from support.bundles import colour_bundle
from support.engines import picture
from support.squares import squares_of

FILES = ("results.json", "queries.csv", "report.html")


squares = squares_of(test=7, negatives=4)


@pytest.fixture(scope="module")
def questions(squares, tmp_path_factory):
    """Negative pictures, and what pictures of the split do not afford."""
    folder = tmp_path_factory.mktemp("questions")
    for number in range(3):
        write_image(folder / f"empty/{number}.png", picture(number))
    (folder / "not.json").write_text(json.dumps({"squares": {"testset_000": ["hold"]}}))
    return {"negatives": folder / "empty", "not_afforded": folder / "not.json"}


@pytest.fixture(scope="module")
def whole(squares, bundle, questions, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return run(bundle, squares, "Seen", "testset", out, **questions), out


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_last_of_three_writes_the_report_of_one(squares, bundle, questions, whole, tmp_path, order):
    found = [
        run(bundle, squares, "Seen", "testset", tmp_path, **questions, ranks=Ranks(rank, 3)) for rank in order
    ]
    assert found == [None, None, whole[0]]
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (whole[1] / name).read_bytes(), name


def test_what_is_measured_is_not_measured_again(squares, bundle, tmp_path):
    for rank in range(2):
        run(bundle, squares, "Seen", "testset", tmp_path, ranks=Ranks(rank, 2))
    before = [(tmp_path / f"parts/{rank}_of_2.json").stat().st_mtime_ns for rank in range(2)]
    (tmp_path / "results.json").unlink()
    assert run(bundle, squares, "Seen", "testset", tmp_path, ranks=Ranks(0, 2)) is not None
    assert (tmp_path / "results.json").is_file()
    assert before == [(tmp_path / f"parts/{rank}_of_2.json").stat().st_mtime_ns for rank in range(2)]


def test_parts_of_another_evaluation_count_for_nothing(squares, bundle, whole, tmp_path):
    for rank in range(2):
        run(bundle, squares, "Seen", "testset", tmp_path, limit=2, ranks=Ranks(rank, 2))
    assert run(bundle, squares, "Seen", "testset", tmp_path, ranks=Ranks(0, 2)) is None
    tables = run(bundle, squares, "Seen", "testset", tmp_path, ranks=Ranks(1, 2))
    assert tables["overall"] == whole[0]["overall"]
    (tmp_path / "parts/0_of_2.json").write_text('{"evaluation"')
    with pytest.raises(DataError, match="0_of_2.json is not valid JSON"):
        run(bundle, squares, "Seen", "testset", tmp_path, ranks=Ranks(1, 2))


def test_several_seeds_are_summarised_when_the_last_part_of_all_is_there(squares, bundle, tmp_path):
    other = colour_bundle(tmp_path / "other", input_size=(144, 192))
    given = ([bundle, other], squares, "Seen", "testset")
    alone = run_seeds(*given, tmp_path / "alone")
    out = tmp_path / "shared"
    run(bundle, squares, "Seen", "testset", out / "1", ranks=Ranks(1, 2))  # ahead with the first bundle
    assert run_seeds(*given, out, ranks=Ranks(0, 2)) is None
    assert run_seeds(*given, out, ranks=Ranks(1, 2)) == alone
    assert (out / "summary.json").read_bytes() == (tmp_path / "alone/summary.json").read_bytes()


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (["--rank", "{}", "--ranks", "2"], {"RANK": "7", "WORLD_SIZE": "9"}),
        ([], {"RANK": "{}", "WORLD_SIZE": "2"}),
        ([], {"SLURM_PROCID": "{}", "SLURM_STEP_NUM_TASKS": "2"}),
    ],
)
def test_the_command_knows_which_process_it_is(squares, bundle, tmp_path, monkeypatch, given, environment):
    arguments = ["evaluate", str(bundle), str(squares), "--divide", "Seen", "--out", str(tmp_path)]
    printed = []
    for rank in range(2):
        for name, value in environment.items():
            monkeypatch.setenv(name, value.format(rank))
        result = CliRunner().invoke(main, [*arguments, *(word.format(rank) for word in given)])
        assert result.exit_code == 0, result.output
        printed.append(result.output)
    assert "rank 0 of 2 has measured its part" in printed[0]
    assert "report: " in printed[1] and (tmp_path / "report.html").is_file()


def test_answers_come_back_from_a_file_to_the_last_bit(tmp_path):
    scores = Scores(0.1 + 0.2, math.inf, -0.0, False)
    row = QueryRow("a/b", "hold", ("x", "y"), 1 / 3, 1e-300, math.inf, True, 2 / 3, 2, None, {"none": scores})
    found = Answers([row], [NegativeRow("c", "pour", 0.7, 0)], {"nothing": []}, {"no truth map": ["d"]})
    parts = EvaluationParts(tmp_path, Ranks(0, 1), {"bundle": "b"})
    parts.write([found, Answers()])
    assert parts.whole() == [found, Answers()]
