"""From a configuration to the pictures that training sees, the contact sheet, and what is refused."""

import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_training.config import ConfigError, parse_config
from selcon_training.data import memory
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import dense_items
from selcon_training.errors import DataError
from selcon_training.training.fingerprint import beside
from selcon_training.training.tasks.sources import training_sources
from selcon_training.training.trainer import Trainer
from support.dataset import COLOURS, config_values, make_dataset
from support.nets import register_small_clip

SIZE, GRID = (96, 128), (24, 32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    register_small_clip(folder)
    make_dataset(folder / "data", train=12, val=3, negatives=3)
    make_dataset(folder / "own", train=3, exhaustive=False, divide=None, seed=5)
    (folder / "media").mkdir()
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 255, (15, 20, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "media" / f"{number}.jpg"), cv2.resize(values, (200, 150)))
    (folder / "empty").mkdir()
    return folder


def configured(folders, supervision="dense", dense=None, **data):
    values = config_values(folders / "data", folders / "run", supervision=supervision)
    values["data"] |= {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}
    return parse_config(values | ({"dense": dense} if dense else {}))


def sources(config, parts=True):
    data = open_dataset(config.data.root, config.data.divide)
    items = dense_items(data, "trainset", tuple(COLOURS))
    return training_sources(config, data, items, tuple(COLOURS), SIZE, GRID, parts)


def everything(folders):
    own = {"root": str(folders / "own"), "share": 0.3}
    pictures = {key: folders / "media" for key in ("backgrounds", "textures", "negatives")}
    return {"fit": "pad", "zoom": [0.5, 1.5], "turn": 180, "photometry": True, "mix": [own], **pictures}


@pytest.mark.parametrize("cache", [False, True])
def test_rendered_own_and_negative_pictures_come_by_their_shares(folders, cache):
    mixture = sources(configured(folders, cache=cache, **everything(folders)))
    order = mixture.order(0, 0).tolist()
    batch = mixture.batch(order[:20], 0, 0, 0)
    assert batch.parts is not None
    rendered, own = batch.known.all(axis=1), ~batch.known.all(axis=1)
    nothing = rendered & ~batch.parts.any(axis=(1, 2)) & ~batch.truth.any(axis=(1, 2, 3))
    assert own.sum() == 6 and nothing.sum() >= 4
    assert (batch.known[own].sum(axis=1) == 1).all() and (batch.parts[own] == 255).all()
    assert (batch.parts[rendered] < 5).all()
    assert sorted(index for index in order if index < 12) == list(range(12))


def test_clutter_is_known_by_its_name(tmp_path):
    make_dataset(tmp_path, train=3, val=1)
    config = parse_config(config_values(tmp_path, tmp_path / "run", supervision="dense"))
    assert sources(config).main.variety.clutter is None
    names = json.loads((tmp_path / "parts.json").read_text())
    names["parts"][-1] = "clutter"
    (tmp_path / "parts.json").write_text(json.dumps(names))
    assert sources(config).main.variety.clutter == len(names["parts"]) - 1


def test_kinds_of_parts_need_label_maps_and_names(tmp_path):
    make_dataset(tmp_path, train=3, val=1)
    config = parse_config(config_values(tmp_path, tmp_path / "run", supervision="dense"))
    asked = config.model_copy(update={"dense": config.dense.model_copy(update={"parts": 1.0})})
    assert sources(asked).has_parts
    (tmp_path / "parts.json").unlink()
    with pytest.raises(ConfigError, match=r"dense\.parts = 1\.0 needs label maps .*: set it to 0"):
        sources(asked)


def test_what_a_configuration_does_not_ask_for_stays_as_it_was(folders):
    config = configured(folders)
    assert config.data.varied == [] and config.dense.truth == "blurred"
    mixture = sources(config, parts=False)
    assert mixture.main.variety.augmenter is None and len(mixture.sources) == 1
    assert not mixture.main.variety.reads_labels


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"backgrounds": "empty"}, "data.backgrounds = .*empty holds no picture"),
        ({"negatives": "empty"}, "data.negatives = .*empty holds no picture"),
        ({"textures": "gone"}, "data.textures = .*gone is not a folder"),
    ],
)
def test_folders_without_pictures_stop_training_at_its_start(folders, data, told):
    with pytest.raises(DataError, match=told):
        sources(configured(folders, **{key: folders / name for key, name in data.items()}))


def test_pictures_may_lie_in_several_folders(folders, tmp_path):
    (tmp_path / "rooms").mkdir()
    for name, grey in (("1", 30), ("2", 60)):
        cv2.imwrite(str(tmp_path / "rooms" / f"{name}.png"), np.full((96, 128, 3), grey, np.uint8))
    both = [str(folders / "media"), str(tmp_path / "rooms")]
    mixture = sources(configured(folders, backgrounds=both, textures=both, negatives=both))
    scenery = mixture.main.variety.augmenter.scenery
    assert [len(each) for each in (scenery.backgrounds, scenery.textures, mixture.sources[1])] == [5, 5, 5]
    assert {30, 60} < {int(scenery.backgrounds[index].mean()) for index in range(5)}


def test_a_list_of_one_folder_is_that_folder(folders):
    folder = folders / "media"
    one, listed, more = (
        configured(folders, negatives=given)
        for given in (folder, [str(folder)], [str(folder), str(folders / "own" / "trainset")])
    )
    assert one == listed and one.data.negatives == (folder,)
    # What runs recorded when there could be one folder only.
    former = json.dumps(sorted((path.name, path.stat().st_size) for path in folder.iterdir()))
    record = [beside(config.data, None)["data.negatives"] for config in (one, listed, more)]
    assert record[0] == record[1] == hashlib.sha256(former.encode()).hexdigest() != record[2]


def test_backgrounds_need_label_maps(folders, tmp_path):
    root = make_dataset(tmp_path / "photos", train=3, exhaustive=False)
    config = configured(folders, backgrounds=folders / "media", root=str(root))
    with pytest.raises(ConfigError, match=r"data\.backgrounds needs label maps.*egocentric_objects"):
        sources(config)


def test_data_sets_of_other_parts_are_not_mixed(folders, tmp_path):
    other = make_dataset(tmp_path / "other", train=3)
    (other / "parts.json").write_text(json.dumps({"parts": ["background", "lid"], "objects": []}))
    mix = [{"root": str(other), "divide": "Seen", "share": 0.5}]
    with pytest.raises(ConfigError, match=r"other/parts\.json names other parts than .*data/parts\.json"):
        sources(configured(folders, mix=mix))


def test_a_cache_that_memory_does_not_hold_is_told_before_it_is_filled(folders, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    with pytest.raises(DataError, match=r"12 pictures of 96 x 128 take .* GB.*smaller data\.cache_size"):
        sources(configured(folders, cache=True, cache_size=[96, 128]))
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    sources(configured(folders, cache=True, cache_size=[96, 128]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"turn": 200}, "data.turn = 200: .*180"),
        ({"zoom": [0.1, 1.0]}, "data.zoom = .*0.25"),
        ({"photometry": {"blurr": 1}}, "data.photometry.blurr"),
        ({"negative_share": 1.0}, "data.negative_share = 1.0"),
        ({"mix": [{"root": "x"}]}, "data.mix.0.share"),
        ({"backgrounds": ()}, r"data\.backgrounds = .*give a folder or a list of folders"),
        ({"negatives": 3}, r"data\.negatives = 3"),
        ({"mix": [{"root": "x", "share": 0.0}]}, "data.mix.0.share = 0.0"),
        ({"supervision": "weak", "turn": 5}, "data.turn is for supervision: dense, not for weak"),
        ({"supervision": "mixed", "zoom": [0.5, 1.0]}, "data.zoom below 1 is for supervision: dense"),
        ({"supervision": "weak", "negatives": "x"}, "data.negatives is for supervision: dense"),
    ],
)
def test_impossible_keys_are_named(folders, change, told):
    with pytest.raises(ConfigError, match=told):
        configured(folders, **change)


def test_a_run_on_everything_resumes_bit_for_bit(folders, tmp_path):
    values = config_values(folders / "data", tmp_path / "whole")
    data = {key: str(value) if key.endswith("s") else value for key, value in everything(folders).items()}
    values["data"] |= data | {"cache": True}
    values["schedule"] |= {"epochs": 1}
    Trainer(parse_config(values)).run()
    again = values | {"output": str(tmp_path / "parts"), "data_threads": 3}
    Trainer(parse_config(again)).run(max_steps=2)
    Trainer(parse_config(again), resume=True).run()
    whole, parts = (
        (tmp_path / name / "checkpoint" / "model.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts


def test_a_run_is_not_resumed_with_other_pictures_or_label_maps(folders, tmp_path):
    root, media = tmp_path / "data", tmp_path / "media"
    shutil.copytree(folders / "data", root)
    shutil.copytree(folders / "media", media)
    values = config_values(root, tmp_path / "run")
    values["data"] |= {"backgrounds": str(media), "dense_splits": ["trainset"]}
    run = Trainer(parse_config(values))
    run.run(max_steps=1)
    media.rename(tmp_path / "moved")
    values["data"] |= {"backgrounds": str(tmp_path / "moved")}
    Trainer(parse_config(values), resume=True)
    (tmp_path / "moved" / "0.jpg").unlink()
    with pytest.raises(ConfigError, match=r"cannot resume .*: data\.backgrounds: not the files that it was"):
        Trainer(parse_config(values), resume=True)
    shutil.copy(folders / "media" / "0.jpg", tmp_path / "moved")
    next((root / "Seen" / "trainset" / "egocentric_parts").rglob("*.png")).unlink()
    with pytest.raises(ConfigError, match="cannot resume .*: label maps: not the files"):
        Trainer(parse_config(values), resume=True)


def test_a_contact_sheet_shows_the_samples_beside_their_truth(folders, tmp_path):
    values = config_values(folders / "data", tmp_path / "run")
    values["data"] |= {"negatives": str(folders / "media"), "turn": 90}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    asked = ["data", "preview", str(tmp_path / "c.yaml"), "--count", "6", "--out"]
    done = CliRunner().invoke(main, [*asked, str(tmp_path / "sheet.png")], catch_exceptions=False)
    assert done.exit_code == 0 and "6 samples" in done.output
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 4 * (2 * 240 + 4) and sheet.shape[0] > 2 * 180
    assert not (tmp_path / "run").exists()
    other = CliRunner().invoke(main, [*asked, str(tmp_path / "s.png"), "--set", "data.turn=0"])
    assert other.exit_code == 0 and not np.array_equal(sheet, cv2.imread(str(tmp_path / "s.png")))
    refused = CliRunner().invoke(main, [*asked, str(tmp_path / "sheet.txt")])
    assert refused.exit_code == 2 and "must end in .jpg or .png" in refused.output
    weak = CliRunner().invoke(main, [*asked, str(tmp_path / "w.png"), "--set", "supervision=weak",
                                     "--set", "data.turn=0", "--set", "data.negatives=null"])  # fmt: skip
    assert weak.exit_code == 1 and "has no truth to show" in weak.output
