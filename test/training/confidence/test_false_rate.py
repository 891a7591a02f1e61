"""The confidence for a stated false rate: thresholds, the fit, and `selcon fit-confidence`."""

import json
from dataclasses import replace

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
from selcon_training.confidence.false_rate import fit_for_rate, least_pictures, threshold
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
    action = np.tile(np.arange(actions), scenes)
    positive = rng.random(len(action)) < 0.4
    value = 1 / (1 + np.exp(-np.where(positive, 2.0, -2.0) - rng.normal(0, 1, len(action))))
    negatives = rng.beta(1, 3, (pictures, VIEWS, actions))
    return Evidence(action, value, positive), negatives


def test_a_half_is_the_stated_rate_for_each_action_and_source():
    evidence, negatives = made(np.random.default_rng(1))
    negatives[..., 1] *= 0.1
    fitted = fit_for_rate(evidence, negatives, ("cut", "hold"), 0.05)
    for index, name in enumerate(("cut", "hold")):
        row, fit = fitted.record["per_action"][name], fitted.confidence

        def passes(value, index=index, fit=fit):
            return fit.scale[index] * value + fit.offset[index] >= 0

        own = evidence.action == index
        kept = passes(evidence.value[own & evidence.positive]).mean()
        shares = {
            "scenes": passes(evidence.value[own & ~evidence.positive]).mean(),
            "real": passes(negatives[..., index]).mean(),
        }
        assert max(shares.values()) <= 0.05 and shares[row["decided_by"]] > 0.02
        assert row["kept"] == pytest.approx(kept, abs=1e-4) and kept > 0.5
        assert row["scenes_passed"] == pytest.approx(shares["scenes"], abs=1e-4)
    assert fitted.record["per_action"]["cut"]["decided_by"] == "real"
    assert fitted.record["per_action"]["hold"]["decided_by"] == "scenes"


def test_a_lower_rate_never_keeps_more():
    evidence, negatives = made(np.random.default_rng(2))
    kept = [fit_for_rate(evidence, negatives, ("a", "b"), rate).record["kept"] for rate in (0.02, 0.1, 0.4)]
    assert kept == sorted(kept) and kept[0] < kept[-1]


def test_scenes_may_have_a_rate_of_their_own_and_too_few_decide_nothing():
    evidence, negatives = made(np.random.default_rng(4))
    negatives *= 0.1
    strict = fit_for_rate(evidence, negatives, ("a", "b"), 0.05).record
    lax = fit_for_rate(evidence, negatives, ("a", "b"), 0.05, scene_rate=0.3).record
    assert strict["kept"] < lax["kept"] < lax["kept_by_real_alone"] == strict["kept_by_real_alone"]
    assert 0.2 < lax["per_action"]["a"]["scenes_passed"] <= 0.3 and lax["scene_false_rate"] == 0.3
    few = evidence.positive | (np.cumsum(~evidence.positive) > 20)
    row = fit_for_rate(replace(evidence, positive=few), negatives, ("a", "b"), 0.05).record["per_action"]["a"]
    assert row["negative_scenes"] < 19 and row["decided_by"] == "real"
    assert row["kept"] == row["kept_by_real_alone"]


def test_without_any_positive_there_is_no_fit():
    evidence, negatives = made(np.random.default_rng(3))
    assert fit_for_rate(replace(evidence, positive=evidence.positive & False), negatives, "ab", 0.1) is None


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


def test_the_table_fits_a_terminal(squares, bundle, negatives, tmp_path):
    result = call(bundle, squares, negatives, tmp_path / "out", "--false-rate", "0.2", "--limit", "5")
    assert result.exit_code == 0, result.output
    assert all(action in result.stdout for action in COLOURS) and "fitted for a false rate" in result.stdout


@pytest.mark.parametrize("split", ["testset", "nothingset"])
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
    manifest, fitted = refit(tmp_path / "bundle", squares, negatives, 0.1, tmp_path / "again", "Seen")
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
