"""The AGD20K layout: what is found, and that every defect is named."""

import json

import numpy as np
import pytest

from selcon_training.data.agd20k import check_actions, open_dataset
from selcon_training.data.dense import dense_items
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.data.weak import hold_out, weak_split
from selcon_training.errors import DataError
from support.dataset import COLOURS, make_dataset

ACTIONS = tuple(COLOURS)


def test_published_class_lists():
    assert {name: len(actions) for name, actions in CLASS_LISTS.items()} == {
        "seen": 36,
        "unseen": 25,
        "hico_iif": 10,
    }
    for actions in CLASS_LISTS.values():
        assert list(actions) == sorted(actions)
    assert set(CLASS_LISTS["unseen"]) < set(CLASS_LISTS["seen"])


def test_finds_images_and_their_extras(tmp_path):
    data = open_dataset(make_dataset(tmp_path, test=3), "Seen")
    items = data.items("testset")
    assert len(items) == 6 and data.synthetic and data.exhaustive_truth
    for kind in ("GT", "mask", "depth", "objectmask"):
        assert data.extra("testset", kind, items[0]) is not None
    assert data.camera("testset", items[0]) is not None
    assert data.extra("testset", "GT", data.items("trainset")[0]) is None


def test_a_set_without_divides(tmp_path):
    data = open_dataset(make_dataset(tmp_path, divide=None, exhaustive=False))
    assert data.base == tmp_path and data.class_list(None) == ACTIONS


@pytest.mark.parametrize(
    ("divide", "told"), [("Unseen", "'Unseen' not found in .* holds Seen"), (None, "holds Seen: say which")]
)
def test_wrong_divide_is_told(tmp_path, divide, told):
    make_dataset(tmp_path, train=1, val=1, test=1, negatives=1)
    with pytest.raises(DataError, match=told):
        open_dataset(tmp_path, divide)


def test_missing_root_and_split_are_told(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_dataset(tmp_path / "nowhere")
    data = open_dataset(make_dataset(tmp_path, train=1, val=1, test=1, negatives=1), "Seen")
    with pytest.raises(DataError, match="valset/exocentric is missing"):
        data.items("valset", "exocentric")
    (tmp_path / "Seen" / "empty" / "egocentric").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no image"):
        data.items("empty")


def test_broken_description_is_told(tmp_path):
    make_dataset(tmp_path, train=1, val=1, test=1, negatives=1)
    for text, told in (
        ("{", "not valid JSON"),
        ("[]", "an object of JSON"),
        ('{"actions": [1]}', "names"),
    ):
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(DataError, match=told):
            open_dataset(tmp_path, "Seen")


def test_class_list_mismatch_names_both_sides(tmp_path):
    data = open_dataset(make_dataset(tmp_path, test=3), "Seen")
    with pytest.raises(DataError, match="not in the class list: pour.*without a folder: sip"):
        check_actions(data.items("testset"), ["cut_with", "hold", "sip"], "testset", complete=True)
    with pytest.raises(DataError, match="pour not in cut_with, hold"):
        dense_items(data, "testset", ["cut_with", "hold"])
    with pytest.raises(DataError, match="'sene'.*hico_iif, seen, unseen"):
        data.class_list("sene")


def test_exhaustive_pictures_are_one_item_with_all_actions_known(tmp_path):
    data = open_dataset(make_dataset(tmp_path, train=3), "Seen")
    items = dense_items(data, "trainset", ACTIONS)
    assert len(items) == 3 and all(item.known is None and len(item.truths) == 2 for item in items)


def test_other_pictures_know_their_own_action_only_and_need_its_truth(tmp_path):
    make_dataset(tmp_path, train=3, exhaustive=False)
    data = open_dataset(tmp_path, "Seen")
    truths = sorted((tmp_path / "Seen/trainset/GT").rglob("*.png"))
    truths[0].unlink()
    items = dense_items(data, "trainset", ACTIONS)
    assert len(items) == 5 and all(
        item.known == tuple(item.truths) and len(item.truths) == 1 for item in items
    )
    for path in truths[1:]:
        path.unlink()
    data = open_dataset(tmp_path, "Seen")
    with pytest.raises(DataError, match="no truth map"):
        dense_items(data, "trainset", ACTIONS)


def test_exocentric_folder_without_ego_images_is_told(tmp_path):
    data = open_dataset(make_dataset(tmp_path, exhaustive=False), "Seen")
    folder = tmp_path / "Seen/trainset/egocentric/pour/grip_spout"
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="exocentric folder pour/grip_spout"):
        weak_split(data, "trainset", ACTIONS)


def test_hold_out_takes_a_part_of_every_folder(tmp_path):
    items = open_dataset(make_dataset(tmp_path, train=12), "Seen").items("trainset")
    kept, held = hold_out(items, 0.5, seed=1)
    assert sorted(i.name for i in kept + held) == sorted(i.name for i in items)
    assert {(i.action, i.object) for i in kept} == {(i.action, i.object) for i in held}
    assert hold_out(items, 0.5, seed=1) == (kept, held) != hold_out(items, 0.5, seed=2)
    assert len(hold_out(items, 0.99, seed=1)[0]) == 6  # one of each folder stays


def test_unknown_truth_size_is_told(tmp_path):
    from selcon_training.data.pairs import read_truth
    from support.dataset import _image

    paths = (tmp_path / "a.png", tmp_path / "b.png")
    _image(paths[0], np.zeros((4, 5), np.uint8))
    _image(paths[1], np.zeros((5, 5), np.uint8))
    with pytest.raises(DataError, match=r"b.png is \(5, 5\)"):
        read_truth(paths, paths[0])
    paths[1].write_text(json.dumps("no image"))
    with pytest.raises(DataError, match="b.png is not an image.*selcon data check"):
        read_truth(paths, paths[0])
