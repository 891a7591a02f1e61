"""selcon evaluate on a bundle that sees colours, over scenes whose answer is painted."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.cli.evaluate import _print as show_tables
from selcon_training.config import parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.errors import DataError
from selcon_training.evaluate.evaluation import evaluate
from selcon_training.evaluate.predictors import ModelPredictor
from selcon_training.export.bundle import export_checkpoint
from selcon_training.reporting.evaluation import run
from selcon_training.training.trainer import Trainer
from support.dataset import COLOURS, config_values, make_dataset
from support.disk import files_of_at_most
from support.nets import register_small_clip
from support.pages import checked_page


def command(bundle, data, out, *options):
    return ["evaluate", str(bundle), str(data), "--out", str(out), *options]


@pytest.fixture(scope="module")
def measured(measured_squares, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return run(bundle, measured_squares, "Seen", "testset", out), out


def test_a_model_that_sees_the_parts_scores_well(measured):
    overall = measured[0]["overall"]
    assert overall["queries"] == 18 and overall["right_part"] == 1.0
    assert overall["kld"] < 0.8 and overall["sim"] > 0.6 and overall["nss"] > 1.5
    assert overall["grasps_in_3d"] == 18 and overall["grasp_distance_median_m"] < 0.005
    assert overall["with_grasp"] == 1.0
    assert overall["nothing_queries"] == 6 and overall["nothing_without_grasp"] == 1.0


def test_tables_split_by_action_and_object(measured):
    tables = measured[0]
    assert set(tables["per_action"]) == set(COLOURS) and len(tables["per_object"]) == 3
    for group in ("per_action", "per_object"):
        rows = list(tables[group].values())
        assert sum(row["queries"] for row in rows) == 18
        mean = sum(row["kld"] * row["queries"] for row in rows) / 18
        assert mean == pytest.approx(tables["overall"]["kld"])


def test_files_written(measured):
    tables, out = measured
    assert json.loads((out / "results.json").read_text()) == tables
    with (out / "queries.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {"kld", "kld_none", "right_binarized"} <= lines[0].keys()
    assert len(lines) == 24 and sum(line["nothing"] == "True" for line in lines) == 6
    page = checked_page(out / "report.html")
    # 8 best, 8 worst, and 2 of each of 3 actions with truth and 3 calibrations.
    assert page.count("<svg") == 6 and page.count("data:image/jpeg;base64,") == 16 + 6
    assert "<h2>Calibrations</h2>" in page and "published numbers" not in page
    assert "synthetic scenes" in page


def test_skipped_files_and_foreign_runs_are_told_before_the_work(measured_squares, bundle, tmp_path):
    skip = tmp_path / "skip.txt"
    first = open_dataset(measured_squares, "Seen").listed("testset")[0]
    skip.write_text(f"{first.path.relative_to(measured_squares)}\n")
    tables = run(bundle, measured_squares, "Seen", "testset", tmp_path / "less", limit=2, skip=skip)
    assert tables["overall"]["queries"] > 0
    arguments = command(bundle, measured_squares, tmp_path / "out", "--divide", "Seen")
    result = CliRunner().invoke(main, [*arguments, "--run", str(tmp_path)])
    assert result.exit_code == 1 and "--run takes the folder" in result.output
    assert not (tmp_path / "out").exists()
    skip.write_text("Seen/nowhere.jpg\n")
    assert "nowhere.jpg" in CliRunner().invoke(main, [*arguments, "--skip", str(skip)]).output
    alone = CliRunner().invoke(main, ["evaluate", str(bundle), "--out", str(tmp_path / "out")])
    assert alone.exit_code == 2 and "and then DATA" in alone.output


def test_every_calibration_is_measured_from_one_pass_per_picture(
    measured_squares, bundle, measured, tmp_path
):
    """Each must give what a bundle that has it as its own gives."""
    found = measured[0]["calibrations"]
    assert list(found) == ["none", "continuous", "binarized"] and measured[0]["calibration"] == "continuous"
    loaded = load_bundle(bundle)
    for calibration in ("none", "binarized"):
        manifest = replace(loaded.manifest, calibration=calibration)
        write_bundle(tmp_path / calibration, manifest, {"model": loaded.model})
        model = load_bundle(tmp_path / calibration)
        predictor = ModelPredictor(Grounder(model, open_on_cpu(model)))
        tables = evaluate(
            predictor, open_dataset(measured_squares, "Seen"), "testset", list(COLOURS)
        ).tables()
        figures = {name: value for name, value in found[calibration].items() if name != "per_action"}
        assert figures == pytest.approx({name: tables["overall"][name] for name in figures}, rel=1e-12)
        for action, row in found[calibration]["per_action"].items():
            # The maps are scored together or alone: sums may differ in the last bit.
            assert row == pytest.approx({name: tables["per_action"][action][name] for name in row}, rel=1e-12)
        # A bundle that weighs nothing with the affinity need not have one.
        assert len(tables["calibrations"]) == (1 if calibration == "none" else 3)
    assert found["none"]["kld"] != found["continuous"]["kld"] != found["binarized"]["kld"]


def test_the_network_runs_once_per_picture(measured_squares, bundle):
    loaded = load_bundle(bundle)
    engine = open_on_cpu(loaded)
    runs = []

    class Counting:
        def run(self, frames):
            runs.append(frames.shape)
            return engine.run(frames)

    result = evaluate(
        ModelPredictor(Grounder(loaded, Counting())),
        open_dataset(measured_squares, "Seen"),
        "testset",
        list(COLOURS),
    )
    assert len(runs) == 9 + 6 and len(result.rows) == 18 and len(result.rows[0].others) == 2


def test_baselines_know_less(measured_squares, bundle, tmp_path, measured):
    figures = {
        name: run(bundle, measured_squares, "Seen", "testset", tmp_path / name, baseline=name)["overall"]
        for name in ("centre", "mask", "affinity")
    }
    model = measured[0]["overall"]
    for name, overall in figures.items():
        assert overall["kld"] > model["kld"] and overall["right_part"] < 1.0, name
        assert overall["nothing_queries"] == 0 and overall["nothing_without_grasp"] is None
    assert figures["mask"]["kld"] < figures["centre"]["kld"]


def test_the_mask_baseline_says_what_it_needs(tmp_path, bundle):
    make_dataset(tmp_path / "data", train=1, test=1, exhaustive=False)
    with pytest.raises(DataError, match="objectmask/.*png, which is missing"):
        run(bundle, tmp_path / "data", "Seen", "testset", tmp_path / "out", baseline="mask")


def test_the_affinity_baseline_says_what_it_needs(measured_squares, bundle, tmp_path):
    plain = load_bundle(bundle)
    manifest = replace(plain.manifest, calibration="none")
    write_bundle(tmp_path / "plain", manifest, {"model": plain.model})
    with pytest.raises(DataError, match="calibration none and thus no affinity"):
        run(tmp_path / "plain", measured_squares, "Seen", "testset", tmp_path / "out", baseline="affinity")


def test_zero_and_missing_truth_is_left_out_and_reported(tmp_path, bundle):
    make_dataset(tmp_path / "data", train=1, test=3, exhaustive=False)
    truths = sorted((tmp_path / "data/Seen/testset/GT").rglob("*.png"))
    cv2.imwrite(str(truths[0]), np.zeros((96, 128), np.uint8))
    truths[1].unlink()
    tables = run(bundle, tmp_path / "data", "Seen", "testset", tmp_path / "out")
    assert tables["overall"]["queries"] == 4
    assert {reason: len(names) for reason, names in tables["left_out"].items()} == {
        "truth map all zero": 1,
        "no truth map": 1,
    }
    assert truths[0].stem in tables["left_out"]["truth map all zero"][0]
    assert tables["overall"]["grasp_distance_median_m"] is None  # no depth there


def test_a_mask_of_another_size_is_told(tmp_path, bundle):
    data = make_dataset(tmp_path / "data", train=1, test=2)
    mask = sorted((data / "Seen/testset/mask").rglob("*.png"))[0]
    cv2.imwrite(str(mask), np.full((48, 64), 255, np.uint8) * (np.arange(64) < 9).astype(np.uint8))
    with pytest.raises(DataError, match=f"{mask.stem} is 64 x 48 pixels, its image 128 x 96: save"):
        run(bundle, data, "Seen", "testset", tmp_path / "out")


def test_nothing_left_and_unknown_actions_are_told(tmp_path, bundle):
    make_dataset(tmp_path / "data", train=1, test=2, exhaustive=False)
    (tmp_path / "data/Seen/testset/egocentric/cut_with").rename(
        tmp_path / "data/Seen/testset/egocentric/fold"
    )
    with pytest.raises(DataError, match="not in the class list: fold"):
        run(bundle, tmp_path / "data", "Seen", "testset", tmp_path / "out")
    for path in (tmp_path / "data/Seen/testset/GT").rglob("*.png"):
        path.unlink()
    (tmp_path / "data/Seen/testset/egocentric/fold").rename(
        tmp_path / "data/Seen/testset/egocentric/cut_with"
    )
    with pytest.raises(DataError, match="no usable truth map"):
        run(bundle, tmp_path / "data", "Seen", "testset", tmp_path / "out")


def test_the_command_prints_tables_or_json(measured_squares, bundle, tmp_path):
    arguments = command(bundle, measured_squares, tmp_path / "out", "--limit", "3")
    runner = CliRunner()
    printed = runner.invoke(main, [*arguments, "--divide", "Seen"])
    assert printed.exit_code == 0 and "per object" in printed.output and "report.html" in printed.output
    shown = runner.invoke(main, [*arguments, "--divide", "Seen", "--json"])
    assert json.loads(shown.stdout)["overall"]["queries"] == 6
    wrong = runner.invoke(main, arguments)
    assert wrong.exit_code == 1 and "--divide" in wrong.output


def test_names_are_printed_as_they_are(capsys):
    names = ["x[/b]", "[red]cup", ":cat:"]
    figures = {"queries": 1, "kld": 1.0, "sim": 0.5, "nss": 2.0, "right_part": 1.0}
    rows = dict.fromkeys(names, figures)
    show_tables(
        {"predictor": "[/b]", "split": "testset", "overall": figures, "calibrations": {}, "per_action": rows,
         "per_object": {}, "left_out": {"no truth": names}, "notes": names}
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert "[/b]: per action" in shown and all(shown.count(name) == 3 for name in names)


def test_what_was_measured_is_shown_where_the_report_cannot_be_written(measured_squares, bundle, tmp_path):
    arguments = command(bundle, measured_squares, tmp_path / "out", "--divide", "Seen")
    with files_of_at_most(20_000):
        done = CliRunner().invoke(main, [*arguments, "--limit", "3", "--json"])
    assert json.loads(done.stdout)["overall"]["queries"] == 6
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == f"Error: cannot write {tmp_path}/out/report.html: File too large"
    # What was small enough is there, and nothing half written.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["queries.csv", "results.json"]


def test_evaluating_an_exported_run_gives_what_its_validation_gave(tmp_path):
    register_small_clip(tmp_path)
    root = make_dataset(tmp_path / "data", train=12, val=6, negatives=3)
    values = config_values(root, tmp_path / "run")
    values["schedule"]["epochs"] = 1
    trainer = Trainer(parse_config(values))
    trainer.run()
    export_checkpoint(tmp_path / "run" / "checkpoint", tmp_path / "bundle")
    manifest = load_bundle(tmp_path / "bundle").manifest
    assert manifest.confidence is not None and manifest.training["supervision"] == "dense"
    out = tmp_path / "out"
    overall = run(tmp_path / "bundle", root, "Seen", "valset", out, trained=tmp_path / "run")["overall"]
    for name in ("kld", "sim", "nss", "right_part"):
        assert overall[name] == pytest.approx(trainer.metrics[name], rel=1e-3), name
    assert overall["nothing_queries"] == 3  # valnothingset
    page = checked_page(out / "report.html")
    assert "Training, by epoch" in page and "Part discovery" not in page  # trained on truth maps
