"""`selcon fit-confidence`, and the same fit at the end of training."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.confidence.false_rate import FalseRates
from selcon_training.confidence.refitting import refit
from selcon_training.config import ConfigError, parse_config
from selcon_training.data.chosen_split import ValidationSplit
from selcon_training.data.images import read_picture
from selcon_training.errors import DataError
from selcon_training.export.bundle import export_checkpoint
from selcon_training.training.trainer import Trainer
from support.bundles import COLOURS
from support.dataset import config_values, make_dataset
from support.disk import files_of_at_most
from support.squares import squares_of

squares = squares_of(small_clip=True, train=4, val=6, test=2, negatives=3)


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
        tmp_path / "bundle", ValidationSplit(squares, "Seen"), negatives, FalseRates(0.1), tmp_path / "again"
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
