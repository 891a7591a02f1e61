"""The confidence for a stated false rate: thresholds, the fit, and `selcon fit-confidence`."""

import json
import shutil
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.cli.main import main
from selcon_ros.core.bundle import load_bundle
from selcon_ros.core.grounder import Grounder
from selcon_training.confidence.evidence import VIEWS, Evidence, views
from selcon_training.confidence.false_rate import FalseRates, fit_for_rate, least_pictures, threshold
from selcon_training.confidence.refitting import refit
from selcon_training.config import ConfigError, parse_config
from selcon_training.data.images import read_picture
from selcon_training.errors import DataError
from selcon_training.export.bundle import export_checkpoint
from selcon_training.training.trainer import Trainer
from support.bundles import COLOURS, colour_bundle
from support.dataset import config_values, make_dataset
from support.disk import files_of_at_most
from support.nets import dataset_and_small_clip


def test_new_pictures_pass_a_threshold_as_often_as_stated():
    rng = np.random.default_rng(0)
    passed = []
    for _ in range(400):
        pictures = rng.normal(size=(40, 1))
        views = pictures[:, :] + 0.3 * rng.normal(size=(40, 8))
        least = threshold(views, 0.1)
        passed.append((rng.normal(size=500) + 0.3 * rng.normal(size=500) >= least).mean())
    assert 0.06 < np.mean(passed) < 0.1


def test_a_threshold_lets_through_no_more_than_fits_one_more_picture():
    single = np.arange(100.0)[:, None]
    least = threshold(single, 0.05)  # 0.05 * 101 - 1 = 4.05
    assert (single >= least).sum() == 4
    assert (single >= threshold(single, 1 / 101)).sum() == 0
    assert (np.ones((100, 1)) >= threshold(np.ones((100, 1)), 0.05)).sum() == 0
    assert [least_pictures(rate) for rate in (0.03, 0.05, 0.1, 0.5)] == [33, 19, 9, 1]


def made(rng, scenes=300, pictures=60, actions=2):
    positive = rng.random((scenes, actions)) < 0.4
    values = 1 / (1 + np.exp(-np.where(positive, 2.0, -2.0) - rng.normal(0, 1, positive.shape)))
    negatives = rng.beta(1, 3, (pictures, VIEWS, actions))
    everywhere = np.ones(positive.shape, np.bool_)
    return Evidence(values, positive, everywhere, np.zeros(scenes, np.bool_)), negatives


def with_clutter(rng, evidence, count, mean):
    """The evidence with scenes of clutter, in which the network is `mean` sure of each action."""
    shape = (count, evidence.values.shape[1])
    more = Evidence(
        rng.normal(mean, 0.1, shape), np.zeros(shape, bool), np.ones(shape, bool), np.ones(count, np.bool_)
    )
    pairs = ((getattr(evidence, field.name), getattr(more, field.name)) for field in fields(Evidence))
    return Evidence(*map(np.concatenate, pairs))


def test_a_half_is_the_stated_rate_for_each_action_and_source():
    rng = np.random.default_rng(1)
    evidence, negatives = made(rng, actions=3)
    negatives[..., 1:] *= 0.1
    evidence = with_clutter(rng, evidence, 100, np.array([0.1, 0.1, 0.8]))
    names = ("cut", "hold", "open")
    rates = FalseRates(0.05, 0.1, 0.2)
    fitted = fit_for_rate(evidence, negatives, names, rates)
    assert (rates.scenes, rates.clutter) == (0.1, 0.2) and FalseRates(0.05, 0.1).clutter == 0.1
    decided = {}
    for index, name in enumerate(names):
        row = fitted.record["per_action"][name]
        passes = fitted.confidence.confidences(evidence.values)[:, index] >= 0.5
        absent = evidence.negative[:, index]
        shares = {
            "scenes": passes[absent & ~evidence.clutter].mean(),
            "clutter": passes[evidence.clutter].mean(),
            "real": (fitted.confidence.confidences(negatives)[..., index] >= 0.5).mean(),
        }
        allowed = {"scenes": 0.1, "clutter": 0.2, "real": 0.05}
        assert all(shares[source] <= allowed[source] for source in shares)
        decided[name] = row["decided_by"]
        assert shares[row["decided_by"]] > allowed[row["decided_by"]] / 3
        kept = passes[evidence.positive[:, index]].mean()
        assert row["kept"] == pytest.approx(kept, abs=1e-4) and kept > 0.5
        for source, key in (
            ("scenes", "scenes_passed"),
            ("clutter", "clutter_passed"),
            ("real", "real_passed"),
        ):
            assert row[key] == pytest.approx(shares[source], abs=1e-4)
    assert decided == {"cut": "real", "hold": "scenes", "open": "clutter"}


def test_a_lower_rate_never_keeps_more():
    evidence, negatives = made(np.random.default_rng(2))
    rates = [FalseRates(rate) for rate in (0.02, 0.1, 0.4)]
    kept = [fit_for_rate(evidence, negatives, ("a", "b"), each).record["kept"] for each in rates]
    assert kept == sorted(kept) and kept[0] < kept[-1]


def test_scenes_may_have_a_rate_of_their_own_and_too_few_decide_nothing():
    evidence, negatives = made(np.random.default_rng(4))
    negatives *= 0.1
    strict = fit_for_rate(evidence, negatives, ("a", "b"), FalseRates(0.05)).record
    lax = fit_for_rate(evidence, negatives, ("a", "b"), FalseRates(0.05, 0.3)).record
    assert strict["kept"] < lax["kept"] < lax["kept_by_real_alone"] == strict["kept_by_real_alone"]
    assert 0.2 < lax["per_action"]["a"]["scenes_passed"] <= 0.3 and lax["scene_false_rate"] == 0.3
    few = evidence.possible | (np.cumsum(~evidence.possible, axis=0) > 18)
    record = fit_for_rate(replace(evidence, possible=few), negatives, ("a", "b"), FalseRates(0.05)).record
    row = record["per_action"]["a"]
    assert row["negative_scenes"] < 19 and row["decided_by"] == "real"
    assert row["kept"] == row["kept_by_real_alone"]


def test_other_actions_count_where_they_help_and_the_rates_hold_then():
    """Of itself `hold` hardly tells scenes from clutter; the others, of which one is in each scene, do."""
    rng = np.random.default_rng(6)
    evidence, negatives = made(rng, actions=3)
    values, possible = evidence.values.copy(), evidence.possible.copy()
    tool = rng.integers(0, 2, len(values))
    possible[:, 0], possible[:, 1], possible[:, 2] = tool == 0, tool == 1, True
    values[:, :2] = np.where(possible[:, :2], 0.8, 0.1) + rng.normal(0, 0.1, (len(values), 2))
    values[:, 2] = rng.normal(0.6, 0.15, len(values))
    evidence = with_clutter(rng, replace(evidence, values=values, possible=possible), 200, [0.1, 0.1, 0.5])
    fitted = fit_for_rate(evidence, 0.1 * negatives, ("cut", "hit", "hold"), FalseRates(0.05, 0.1))
    others = np.array(fitted.confidence.others)
    assert not others[:2].any() and (others[2, :2] > 0).all()
    rows = fitted.record["per_action"]
    assert [rows[name]["others_count"] for name in rows] == [False, False, True]
    assert rows["hold"]["clutter_passed"] <= 0.1 and rows["hold"]["kept"] > 0.9
    assert fitted.curves()["others"] == list(fitted.confidence.others)


def test_without_any_positive_there_is_no_fit():
    evidence, negatives = made(np.random.default_rng(3))
    nowhere = replace(evidence, possible=evidence.possible & False)
    assert fit_for_rate(nowhere, negatives, "ab", FalseRates(0.1)) is None


def test_views_are_the_picture_and_parts_of_it():
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    seen = list(views(picture, 3))
    assert len(seen) == VIEWS and (seen[0] == picture).all()
    assert all(30 <= view.shape[0] <= 60 and 40 <= view.shape[1] <= 80 for view in seen)
    assert len({view.shape for view in seen}) > 4
    assert all((a == b).all() for a, b in zip(seen, views(picture, 3), strict=True))
    assert any(a.shape != b.shape for a, b in zip(seen, views(picture, 4), strict=True))
    assert all(view.shape == (1, 1, 3) for view in views(picture[:1, :1], 0))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return dataset_and_small_clip(tmp_path_factory.mktemp("squares"), train=4, val=6, test=2, negatives=3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return colour_bundle(tmp_path_factory.mktemp("bundle") / "colours")


@pytest.fixture(scope="module")
def negatives(tmp_path_factory):
    """Grey pictures; some have a patch that is somewhat red, which the bundle's own fit passes."""
    folder, rng = tmp_path_factory.mktemp("nothing"), np.random.default_rng(0)
    for number in range(12):
        picture = np.full((96, 128, 3), 128, np.uint8)
        if number < 6:
            red = rng.integers(165, 200)
            picture[20:80, 20:90] = (20, 20, red)
        cv2.imwrite(str(folder / f"{number:02d}.png"), picture)
    return folder


def call(bundle, data, negatives, out, *more):
    arguments = ["fit-confidence", str(bundle), str(data), "--divide", "Seen", "--negatives", str(negatives)]
    return CliRunner().invoke(main, [*arguments, "--out", str(out), *more])


def test_the_command_fits_what_the_robot_will_say(squares, bundle, negatives, tmp_path):
    result = call(bundle, squares, negatives, tmp_path / "out", "--false-rate", "0.1", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    old, new = load_bundle(bundle), load_bundle(tmp_path / "out")
    assert new.files == old.files and new.manifest.metrics["confidence"]["real_passed"] == 0
    assert record["real_pictures"] == 12 and record["kept"] == 1
    assert record["per_action"]["cut_with"]["decided_by"] == "real"
    for loaded, expected in ((old, 6), (new, 0)):
        grounder = Grounder(loaded, open_on_cpu(loaded, CpuOptions(1)))
        seen = [grounder.ground(read_picture(path)) for path in sorted(negatives.iterdir())]
        assert sum(grounding.confidence("cut_with") >= 0.5 for grounding in seen) == expected
        path = next((squares / "Seen/valset/egocentric/cut_with").rglob("*.jpg"))
        assert grounder.ground(read_picture(path)).confidence("cut_with") >= 0.5
    assert replace(new.manifest, confidence=old.manifest.confidence, metrics={}) == old.manifest


def clutter(folder, count=12):
    """Scenes of a grey thing and a red one, with which no action is possible."""
    for number in range(count):
        picture = np.full((96, 128, 3), 128, np.uint8)
        picture[20:80, 20:90] = (20, 20, 150 + 6 * number)
        for action in COLOURS:
            path = folder / action / "nothing" / f"clutter_{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)


def test_scenes_of_clutter_decide_too(squares, bundle, negatives, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(squares, data)
    clutter(data / "Seen/valclutterset/egocentric")
    arguments = ("--false-rate", "0.1", "--clutter-rate", "0.3", "--json")
    result = call(bundle, data, negatives, tmp_path / "out", *arguments)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    row = record["per_action"]["cut_with"]
    assert (record["scene_false_rate"], record["clutter_false_rate"]) == (0.1, 0.3)
    assert (row["clutter_scenes"], row["decided_by"]) == (12, "clutter") and 0 < row["clutter_passed"] <= 0.25
    few = call(bundle, data, negatives, tmp_path / "few", *arguments, "--limit", "5")
    assert json.loads(few.stdout)["per_action"]["cut_with"]["clutter_scenes"] == 5


def test_the_table_fits_a_terminal(squares, bundle, negatives, tmp_path):
    result = call(bundle, squares, negatives, tmp_path / "out", "--false-rate", "0.2", "--limit", "5")
    assert result.exit_code == 0, result.output
    assert all(action in result.stdout for action in COLOURS) and "fitted for a false rate" in result.stdout
    assert "…" not in result.stdout


@pytest.mark.parametrize("split", ["testset", "nothingset", "clutterset"])
def test_the_test_set_decides_nothing(squares, bundle, negatives, tmp_path, split):
    result = call(bundle, squares, negatives, tmp_path / "out", "--split", split)
    assert result.exit_code == 1 and "must not choose anything" in result.output


def test_too_few_pictures_say_how_many_or_which_rate(squares, bundle, negatives, tmp_path):
    result = call(bundle, squares, negatives, tmp_path / "out")
    assert result.exit_code == 1 and "12 pictures" in result.output
    assert "at least 33" in result.output and "at least 0.077" in result.output
    empty = tmp_path / "empty"
    empty.mkdir()
    result = call(bundle, squares, empty, tmp_path / "out")
    assert result.exit_code == 1 and "holds no picture" in result.output


def test_a_media_folder_gives_its_pictures_for_calibration(squares, bundle, negatives, tmp_path):
    names = sorted(path.name for path in negatives.iterdir())
    for name in names:
        (tmp_path / name).write_bytes((negatives / name).read_bytes())
    use = {name: ["calibration"] if number > 5 else ["negative"] for number, name in enumerate(names)}
    files = [{"path": name, "kind": "picture", "use": use[name]} for name in names]
    (tmp_path / "media.json").write_text(json.dumps({"format": 1, "files": files}))
    result = call(bundle, squares, tmp_path, tmp_path / "out", "--false-rate", "0.2", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["real_pictures"] == 6


def test_the_fit_is_shown_where_the_bundle_cannot_be_written(squares, bundle, negatives, tmp_path):
    out = tmp_path / "out.zip"
    with files_of_at_most(500):
        result = call(bundle, squares, negatives, out, "--false-rate", "0.2", "--json")
    assert json.loads(result.stdout)["real_pictures"] == 12
    assert result.exit_code == 1 and f"cannot write bundle {out}: File too large" in result.stderr


def config(squares, output, folder, **data):
    values = config_values(squares, output, confidence={"negatives": str(folder), "false_rate": 0.1})
    values["data"] |= data
    values["schedule"]["epochs"] = 1
    return parse_config(values)


@pytest.fixture(scope="module")
def trained(squares, negatives, tmp_path_factory):
    trainer = Trainer(config(squares, tmp_path_factory.mktemp("runs") / "run", negatives))
    assert trainer.run()
    return trainer


def test_training_fits_as_the_command_does(trained, squares, negatives, tmp_path):
    exported = export_checkpoint(trained.config.output / "checkpoint", tmp_path / "bundle")
    record = exported.metrics["confidence"]
    assert record["false_rate"] == 0.1 and record["real_pictures"] == 12
    manifest, fitted = refit(
        tmp_path / "bundle", squares, negatives, FalseRates(0.1), tmp_path / "again", "Seen"
    )
    assert fitted.record.keys() == record.keys()
    for name in ("scale", "offset"):
        ours, theirs = getattr(manifest.confidence, name), getattr(exported.confidence, name)
        assert ours == pytest.approx(theirs, rel=0.02), name


def test_training_refuses_pictures_that_it_would_see(squares, negatives, tmp_path):
    with pytest.raises(DataError, match=r"data.negatives share 12 pictures, such as .*00.png"):
        Trainer(config(squares, tmp_path / "run", negatives, negatives=str(negatives)))


def test_training_without_a_valset_refuses_before_it_begins(negatives, tmp_path):
    plain = make_dataset(tmp_path / "plain", train=2, val=0, test=1, exhaustive=False, divide=None)
    with pytest.raises(ConfigError, match="has no valset"):
        Trainer(config(plain, tmp_path / "run", negatives, divide=None))
