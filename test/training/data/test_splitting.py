"""Data sets divided into training and test pictures."""

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("pydantic", reason="pydantic is missing: pip install 'selcon_ros[train]'")

from selcon_ros.cli.main import main
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.check import check
from selcon_training.data.splitting import divide
from support.disk import files_of_at_most

SHOWN = {"hold": 10, "cut_with": 5, "pour": 3}
"""Of the ten objects of the set, how many show the action."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten objects, of each four pictures, which lie under each of its actions; two pictures of nothing."""
    root = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(0)

    def save(*places):
        picture = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
        for place in places:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            picture.save(root / place)

    for thing in range(10):
        for number in range(4):
            shown = [action for action, count in SHOWN.items() if thing < count]
            save(*(f"trainset/egocentric/{each}/thing{thing}/t{thing}_{number}.png" for each in shown))
            for action in shown:
                for kind in ("GT", "mask"):
                    place = root / f"trainset/{kind}/{action}/thing{thing}/t{thing}_{number}.png"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(np.eye(24, 32, dtype=np.uint8) * 255).save(place)
    save("negatives/table/n0.png")
    save("negatives/shelf/n1.png")
    (root / "dataset.json").write_text('{"exhaustive_truth": true}')
    return root


def split(*arguments):
    result = CliRunner().invoke(main, ["data", "split", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output


def things(root, split):
    return {item.object for item in open_dataset(root).items(split)}


@pytest.mark.parametrize("seed", range(4))
def test_objects_stay_together_and_actions_are_on_both_sides(data, tmp_path, seed):
    code, out = split(data, "--out", tmp_path / "out", "--test", 0.3, "--seed", seed, "--json")
    assert code == 0
    rows = json.loads(out)["actions"]
    for action, count in SHOWN.items():
        row = rows[action]
        assert row["training_objects"] + row["test_objects"] == count
        assert row["training_pictures"] == 4 * row["training_objects"]
        assert abs(row["test_objects"] - 0.3 * count) < 1
    out = tmp_path / "out"
    training, test = things(out, "trainset"), things(out, "testset")
    assert len(training | test) == 10 and not training & test
    (report,) = check(out)
    assert report.ready and not {"leak", "no truth", "count"} & set(report.findings)
    kinds = {path.parts[len(out.parts) + 1] for path in (out / "testset").rglob("*.png")}
    assert kinds == {"egocentric", "GT", "mask"} and (out / "dataset.json").is_file()
    # A picture of nothing is to be asked for every action of the test set.
    negatives = Counter(path.stem for path in (out / "nothingset/egocentric").glob("*/*/*.png"))
    assert [*negatives.values()] == [3] and len(list((out / "negatives").rglob("*.png"))) == 1


def test_the_same_seed_divides_in_the_same_way_and_another_does_not(data):
    def tests(seed):
        return [item.path for group in divide(open_dataset(data), 0.3, seed).test for item in group.items]

    assert tests(1) == tests(1)
    assert len({tuple(tests(seed)) for seed in range(6)}) > 1


def test_a_small_test_set_has_every_action_too(data):
    table = divide(open_dataset(data), 0.1, 0).table()
    assert [table[action][2] for action in SHOWN] == [1, 1, 1]


def test_objects_are_told_by_paths_and_one_content_stays_together(data):
    found = divide(open_dataset(data), 0.25, 0, r"[_n](\d)\.png")
    # Four groups: the first pictures of all objects, the second ones, ...; the negatives are two of them.
    assert len(found.training) + len(found.test) == 4
    stems = [{item.stem[-1] for item in group.items} for group in (*found.training, *found.test)]
    assert sorted(map(len, stems)) == [1, 1, 1, 1]


def test_what_cannot_be_divided_is_refused(data, tmp_path):
    code, out = split(data, "--objects", "(png)")
    assert code == 1 and "are of one object: name the objects" in out
    code, out = split(data, "--objects", "thing(5)")
    assert code == 1 and "tells no object in" in out
    (tmp_path / "there").mkdir()
    (tmp_path / "there/x").write_text("")
    code, out = split(data, "--out", tmp_path / "there")
    assert code == 1 and "is there already" in out
    split(data, "--out", tmp_path / "out")
    code, out = split(tmp_path / "out")
    assert code == 1 and "is divided already" in out
    code, out = split(data, "--test", 1)
    assert code == 2


def test_a_full_disk_is_told_by_what_was_to_be_written(data):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:  # where no links lead to
        out = Path(elsewhere, "out")
        with files_of_at_most(1000):  # dataset.json, and part of a picture
            code, text = split(data, "--out", out)
        assert code == 1 and text.startswith(f"Error: {out}: File too large; make room there")
        assert not list(Path(elsewhere).iterdir())


def test_nothing_is_written_into_the_set_that_is_divided(data, tmp_path, monkeypatch):
    code, text = split(data, "--out", data / "trainset/egocentric/new")
    assert code == 1 and "lies in the data set that is divided" in text
    copy = tmp_path / "mine"
    shutil.copytree(data, copy)
    monkeypatch.chdir(copy)
    code, _ = split(".")
    assert code == 0 and (tmp_path / "mine_split/testset").is_dir()


def test_photos_of_nothing_whose_place_nobody_has_named_are_on_both_sides(data, tmp_path):
    copy = tmp_path / "mine"
    shutil.copytree(data, copy)
    rng = np.random.default_rng(1)
    (copy / "negatives/unnamed").mkdir()
    for number in range(8):
        picture = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
        picture.save(copy / f"negatives/unnamed/u{number}.png")
    assert split(copy, "--test", 0.4)[0] == 0
    out = tmp_path / "mine_split"
    assert list(out.glob("negatives/unnamed/*.png")) and list(
        out.glob("nothingset/egocentric/*/unnamed/*.png")
    )
