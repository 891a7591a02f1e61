"""selcon evaluate on a bundle that sees colours, over scenes whose answer is painted."""

import csv
import json
import shutil
import statistics
from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.cli.main import main
from selcon_ros.core.bundle import load_bundle, write_bundle
from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounder import Grounder
from selcon_training.cli.evaluate import _print as show_tables
from selcon_training.config import parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.errors import DataError
from selcon_training.evaluate.evaluation import evaluate
from selcon_training.evaluate.measures import part_of, score
from selcon_training.evaluate.predictors import Centre, Model
from selcon_training.evaluate.queries import Files, find_pictures
from selcon_training.export.bundle import export_checkpoint
from selcon_training.reporting.evaluation import run, run_seeds
from selcon_training.reporting.gallery import sample
from selcon_training.reporting.published import CLASSES, PUBLISHED, published_for
from selcon_training.training.trainer import Trainer
from support.bundles import colour_bundle
from support.dataset import COLOURS, config_values, make_dataset
from support.disk import files_of_at_most
from support.nets import register_small_clip


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("squares"), test=9, nothing=6)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return colour_bundle(tmp_path_factory.mktemp("bundle") / "colours")


@pytest.fixture(scope="module")
def measured(squares, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return run(bundle, squares, "Seen", "testset", out), out


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
    page = (out / "report.html").read_text()
    # 8 best, 8 worst, and 2 of each of 3 actions with truth and 3 calibrations.
    assert page.count("<svg") == 6 and page.count("data:image/jpeg;base64,") == 16 + 6
    assert "<h2>Calibrations</h2>" in page and "published" not in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert "synthetic scenes" in page and "<script" not in page


def test_skipped_files_and_foreign_runs_are_told_before_the_work(squares, bundle, tmp_path):
    skip = tmp_path / "skip.txt"
    first = open_dataset(squares, "Seen").listed("testset")[0]
    skip.write_text(f"{first.path.relative_to(squares)}\n")
    tables = run(bundle, squares, "Seen", "testset", tmp_path / "less", limit=2, skip=skip)
    assert tables["overall"]["queries"] > 0
    arguments = ["evaluate", str(bundle), str(squares), "--divide", "Seen", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--run", str(tmp_path)])
    assert result.exit_code == 1 and "--run takes the folder" in result.output
    assert not (tmp_path / "out").exists()
    skip.write_text("Seen/nowhere.jpg\n")
    assert "nowhere.jpg" in CliRunner().invoke(main, [*arguments, "--skip", str(skip)]).output
    alone = CliRunner().invoke(main, ["evaluate", str(bundle), "--out", str(tmp_path / "out")])
    assert alone.exit_code == 2 and "and then DATA" in alone.output


def test_every_calibration_is_measured_from_one_pass_per_picture(squares, bundle, measured, tmp_path):
    """Each must give what a bundle that has it as its own gives."""
    found = measured[0]["calibrations"]
    assert list(found) == ["none", "continuous", "binarized"] and measured[0]["calibration"] == "continuous"
    loaded = load_bundle(bundle)
    for calibration in ("none", "binarized"):
        manifest = replace(loaded.manifest, calibration=calibration)
        write_bundle(tmp_path / calibration, manifest, {"model": loaded.model})
        model = load_bundle(tmp_path / calibration)
        predictor = Model(Grounder(model, open_on_cpu(model)))
        tables = evaluate(predictor, open_dataset(squares, "Seen"), "testset", list(COLOURS)).tables()
        figures = {name: value for name, value in found[calibration].items() if name != "per_action"}
        assert figures == {name: tables["overall"][name] for name in figures}
        for action, row in found[calibration]["per_action"].items():
            assert row == {name: tables["per_action"][action][name] for name in row}
        # A bundle that weighs nothing with the affinity need not have one.
        assert len(tables["calibrations"]) == (1 if calibration == "none" else 3)
    assert found["none"]["kld"] != found["continuous"]["kld"] != found["binarized"]["kld"]


def test_the_network_runs_once_per_picture(squares, bundle):
    loaded = load_bundle(bundle)
    engine = open_on_cpu(loaded)
    runs = []

    class Counting:
        def run(self, frames):
            runs.append(frames.shape)
            return engine.run(frames)

    result = evaluate(
        Model(Grounder(loaded, Counting())), open_dataset(squares, "Seen"), "testset", list(COLOURS)
    )
    assert len(runs) == 9 + 6 and len(result.rows) == 18 and len(result.rows[0].others) == 2


def test_baselines_know_less(squares, bundle, tmp_path, measured):
    figures = {
        name: run(bundle, squares, "Seen", "testset", tmp_path / name, baseline=name)["overall"]
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


def test_the_affinity_baseline_says_what_it_needs(squares, bundle, tmp_path):
    plain = load_bundle(bundle)
    manifest = replace(plain.manifest, calibration="none")
    write_bundle(tmp_path / "plain", manifest, {"model": plain.model})
    with pytest.raises(DataError, match="calibration none and thus no affinity"):
        run(tmp_path / "plain", squares, "Seen", "testset", tmp_path / "out", baseline="affinity")


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


def test_exhaustive_pictures_are_asked_once_for_all_their_actions(squares):
    pictures = find_pictures(open_dataset(squares, "Seen"), "testset", list(COLOURS))
    assert len(pictures) == 9 and all(len(picture.queries) == 2 for picture in pictures)


def test_several_objects_of_one_picture_are_one_query(tmp_path):
    root = make_dataset(tmp_path, train=1, val=1, test=1, nothing=1)
    base = root / "Seen/testset"
    stem = "testset_000"
    for kind, suffix in (("egocentric", ".jpg"), ("GT", ".png"), ("mask", ".png")):
        source = base / kind / "cut_with" / "cut_spout" / (stem + suffix)
        target = base / kind / "cut_with" / "other" / (stem + suffix)
        target.parent.mkdir(parents=True)
        image = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(target), image if kind == "egocentric" else image[::-1].copy())
    data = open_dataset(root, "Seen")
    result = evaluate(Centre(), data, "testset", list(COLOURS))
    row = next(row for row in result.rows if row.action == "cut_with")
    assert row.objects == ("cut_spout", "other") and len(result.rows) == 2
    query = find_pictures(data, "testset", list(COLOURS))[0].queries["cut_with"]
    mask = Files(data, "testset").mask(query)
    assert np.array_equal(mask, mask[::-1])


def test_the_part_without_a_mask_is_the_upper_half_of_the_truth():
    truth = np.array([[0, 60, 120, 121]], np.uint8)
    assert part_of(truth, None).tolist() == [[False, False, True, True]]
    assert part_of(truth, np.array([[255, 0, 0, 0]], np.uint8)).tolist() == [[True, False, False, False]]


def test_a_peak_is_looked_up_in_a_truth_of_another_size():
    truth = np.zeros((10, 20), np.uint8)
    truth[8, 15] = 255
    heatmap = np.zeros((100, 200), np.float32)
    heatmap[84, 155] = 1
    part = part_of(truth, None)
    scores = score([heatmap, heatmap], [heatmap, heatmap[::-1]], truth, part)
    assert [one.right for one in scores] == [True, False]


def test_the_command_prints_tables_or_json(squares, bundle, tmp_path):
    arguments = ["evaluate", str(bundle), str(squares), "--out", str(tmp_path / "out"), "--limit", "3"]
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


def test_what_was_measured_is_shown_where_the_report_cannot_be_written(squares, bundle, tmp_path):
    arguments = ["evaluate", str(bundle), str(squares), "--divide", "Seen", "--out", str(tmp_path / "out")]
    with files_of_at_most(20_000):
        done = CliRunner().invoke(main, [*arguments, "--limit", "3", "--json"])
    assert json.loads(done.stdout)["overall"]["queries"] == 6
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == f"Error: cannot write {tmp_path}/out/report.html: File too large"
    # What was small enough is there, and nothing half written.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["queries.csv", "results.json"]


def test_seeds_are_summarised(squares, bundle, tmp_path):
    loaded = load_bundle(bundle)
    graph = onnx.load_from_string(loaded.model)
    paths = [bundle]
    for seed, slope in ((1, 9.0), (2, 6.0)):  # of another steepness: other figures
        changed = next(one for one in graph.graph.initializer if one.name == "slope")
        changed.CopyFrom(onnx.numpy_helper.from_array(np.array(slope, np.float32), "slope"))
        manifest = replace(loaded.manifest, training={"data": "none", "seed": seed})
        write_bundle(tmp_path / f"b{seed}", manifest, {"model": graph.SerializeToString()})
        paths.append(tmp_path / f"b{seed}")
    out = tmp_path / "out"
    arguments = ["evaluate", *map(str, paths), str(squares), "--divide", "Seen", "--limit", "3"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert done.exit_code == 0 and "±" in done.output and "summary.html" in done.output
    summary = json.loads((out / "summary.json").read_text())
    singles = [json.loads((out / name / "results.json").read_text()) for name in "123"]
    assert [one["seed"] for one in summary["bundles"]] == [None, 1, 2]
    for figure in ("kld", "right_part"):
        values = [one["overall"][figure] for one in singles]
        assert summary["overall"][figure]["mean"] == pytest.approx(statistics.mean(values))
        assert summary["overall"][figure]["std"] == pytest.approx(statistics.stdev(values))
    assert summary["overall"]["kld"]["std"] > 0 and summary["overall"]["kld"]["n"] == 3
    by_action = [one["calibrations"]["none"]["per_action"]["pour"]["nss"] for one in singles]
    found = summary["calibrations"]["none"]["per_action"]["pour"]["nss"]
    assert found["std"] == pytest.approx(statistics.stdev(by_action))
    page = (out / "summary.html").read_text()
    assert 'href="3/report.html"' in page and "±" in page


def test_seeds_that_cannot_be_summarised_are_told(squares, bundle, tmp_path):
    loaded = load_bundle(bundle)
    other = replace(loaded.manifest, gamma=0.3)
    with pytest.raises(BundleError, match="the same network"):
        run_seeds([bundle, bundle], squares, "Seen", "testset", tmp_path / "out")
    model = onnx.load_from_string(loaded.model)
    model.doc_string = "another file"
    write_bundle(tmp_path / "other", other, {"model": model.SerializeToString()})
    with pytest.raises(BundleError, match="has gamma 0.3, .* 0.6: .* in their seed only"):
        run_seeds([bundle, tmp_path / "other"], squares, "Seen", "testset", tmp_path / "out")
    pair = ["evaluate", str(bundle), str(bundle), str(squares), "--divide", "Seen", "--out", str(tmp_path)]
    for extra, message in ((["--baseline", "centre"], "has no seeds"), (["--run", "x"], "once for each")):
        done = CliRunner().invoke(main, [*pair, *extra])
        assert done.exit_code == 2 and message in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rows_stand_beside_their_own_test_set_only(tmp_path, name):
    classes, divide = CLASSES[name]
    base = tmp_path / divide if divide else tmp_path
    for action in CLASS_LISTS[classes]:
        folder = base / "testset/egocentric" / action / "thing"
        folder.mkdir(parents=True)
        (folder / "a.jpg").touch()
    data = open_dataset(tmp_path, divide)
    found = published_for(data, divide, "testset")
    assert found["set"] == name and found["rows"]["LOCATE"]["kld"] == PUBLISHED[name]["LOCATE"][0]
    assert published_for(data, divide, "valset") is None
    assert published_for(replace(data, synthetic=True), divide, "testset") is None
    shutil.rmtree(folder.parent)  # one action fewer is another test set
    assert published_for(open_dataset(tmp_path, divide), divide, "testset") is None


def test_a_sample_is_spread_over_actions_and_over_each_actions_rows(measured, squares):
    rows = evaluate(Centre(), open_dataset(squares, "Seen"), "testset", list(COLOURS)).rows
    chosen = sample(rows, 2)
    assert sorted(row.action for row in chosen) == sorted([*COLOURS, *COLOURS]) and chosen == sample(rows, 2)
    for action in COLOURS:
        of_action = [row for row in rows if row.action == action]
        first, second = (of_action.index(row) for row in chosen if row.action == action)
        assert first < len(of_action) / 2 <= second
    assert len(sample(rows, 100)) == len(rows)


def test_evaluating_an_exported_run_gives_what_its_validation_gave(tmp_path):
    register_small_clip(tmp_path)
    root = make_dataset(tmp_path / "data", train=12, val=6, nothing=3)
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
    page = (out / "report.html").read_text()
    assert "Training, by epoch" in page and "Part discovery" not in page  # trained on truth maps


def test_a_turned_picture_with_depth_is_not_guessed(tmp_path):
    data = open_dataset(make_dataset(tmp_path, test=1), "Seen")
    files = Files(data, "testset")
    query = next(iter(find_pictures(data, "testset", tuple(COLOURS))[0].queries.values()))
    assert files.geometry(query) is not None
    path = query.items[0].path
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif)
    with pytest.raises(DataError, match="has EXIF orientation 6 and depth beside it: store it without"):
        files.geometry(query)
