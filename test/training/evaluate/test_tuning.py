"""selcon tune: softening chosen on validation, never on the test set."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_training.data.chosen_split import ValidationSplit
from selcon_training.evaluate.tuning import SMOOTHINGS, TEMPERATURES, tune
from selcon_training.reporting.evaluation import run
from support.disk import files_of_at_most
from support.pages import checked_page
from support.squares import squares_of

squares = squares_of(train=1, val=4, test=2, negatives=1)


@pytest.fixture(scope="module")
def tuned(squares, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "soft.zip"
    arguments = ["tune", str(bundle), str(squares), "--divide", "Seen", "--out", str(out), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_the_choice_is_the_least_of_the_surface_and_no_worse_than_before(tuned):
    record = tuned[1]
    surface = np.array(record["surface"])
    row, column = SMOOTHINGS.index(record["smoothing"]), TEMPERATURES.index(record["temperature"])
    assert surface.shape == (len(SMOOTHINGS), len(TEMPERATURES)) and surface[row, column] == surface.min()
    plain = surface[SMOOTHINGS.index(0.0), TEMPERATURES.index(1.0)]
    assert record["before"]["kld"] == pytest.approx(plain, abs=1e-4)
    assert record["after"]["kld"] == pytest.approx(surface.min(), abs=1e-4)
    assert (row, column) != (0, TEMPERATURES.index(1.0)) and record["after"]["kld"] < record["before"]["kld"]
    assert record["queries"] == 8 and record["after"]["right_part"] == 1


def test_the_report_has_intervals_what_was_tried_and_answers(tuned):
    out, record = tuned
    folder = out.with_name("soft_report")
    page = checked_page(folder / "report.html")
    assert json.loads((folder / "results.json").read_text()) == record
    for side in ("before", "after"):
        low, high = record["intervals"][side]["kld"]
        assert low < record[side]["kld"] < high
        assert f"{record[side]['kld']:.3f} [{low:.3f}, {high:.3f}]" in page
    assert page.count("<img") == record["queries"] == 8
    assert f"smoothing {record['smoothing']:g}, chosen" in page and "n = 8 queries" in page


def test_the_tuned_bundle_is_the_old_graph_with_two_numbers(tuned, bundle):
    out, record = tuned
    old, new = load_bundle(bundle), load_bundle(out)
    assert new.files == old.files
    assert (new.manifest.smoothing, new.manifest.temperature) == (record["smoothing"], record["temperature"])
    assert new.manifest.metrics["tuning"]["split"] == "valset"
    assert replace(new.manifest, smoothing=0.0, temperature=1.0, metrics=old.manifest.metrics) == old.manifest


def test_the_evaluation_of_the_tuned_bundle_agrees(tuned, squares, tmp_path):
    out, record = tuned
    overall = run(out, squares, "Seen", "valset", tmp_path)["overall"]
    for name, value in record["after"].items():
        assert overall[name] == pytest.approx(value), name


def test_tuning_again_forgets_what_was_chosen(tuned, bundle, squares, tmp_path):
    loaded = load_bundle(bundle)
    write_bundle(tmp_path / "flat", replace(loaded.manifest, smoothing=5.0, temperature=8.0), loaded.files)
    manifest, again = tune(tmp_path / "flat", ValidationSplit(squares, "Seen"), tmp_path / "flat")
    assert again.before.kld == pytest.approx(tuned[1]["before"]["kld"])
    assert (manifest.smoothing, manifest.temperature) == (tuned[1]["smoothing"], tuned[1]["temperature"])


@pytest.mark.parametrize("split", ["testset", "nothingset", "./testset/"])
def test_the_test_set_chooses_nothing(squares, bundle, tmp_path, split):
    out = tmp_path / "out"
    arguments = ["tune", str(bundle), str(squares), "--divide", "Seen", "--out", str(out), "--split", split]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "must not choose anything" in result.output and not out.exists()


def test_data_without_validation_say_what_to_do(squares, bundle, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(squares, copy)
    arguments = ["tune", str(bundle), str(copy), "--divide", "Seen", "--out", str(tmp_path / "out")]
    for truth in (copy / "Seen/valset/GT").rglob("*.png"):
        truth.unlink()
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "has no usable truth map" in result.output
    shutil.rmtree(copy / "Seen/valset")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "chosen on a validation split with truth maps" in result.output


def test_the_choice_is_shown_where_the_bundle_cannot_be_written(squares, bundle, tmp_path):
    out = tmp_path / "out.zip"
    arguments = ["tune", str(bundle), str(squares), "--divide", "Seen", "--out", str(out), "--limit", "1"]
    with files_of_at_most(500):
        result = CliRunner().invoke(main, [*arguments, "--json"])
    assert json.loads(result.stdout)["queries"] == 2
    assert result.exit_code == 1 and f"cannot write bundle {out}: File too large" in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_table_fits_a_terminal(squares, bundle, tmp_path):
    arguments = ["tune", str(bundle), str(squares), "--divide", "Seen", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--limit", "1"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert "…" not in result.stdout and "before" in result.stdout and "temperature" in result.stdout
