"""The fingerprint of a data set changes with what a run learns from, and with nothing else."""

import shutil
from dataclasses import replace

import pytest

from selcon_training.data.agd20k import open_dataset
from selcon_training.errors import DataError
from selcon_training.training.fingerprint import fingerprint
from support.squares import squares_of

SPLITS = ("trainset", "valset")


root = squares_of("function", train=3, val=3, test=3, negatives=1)


def of(root, splits=SPLITS):
    return fingerprint(open_dataset(root, "Seen"), splits)


def test_a_copy_elsewhere_has_the_same_fingerprint(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)  # other times
    (tmp_path / "copy/Seen/trainset/egocentric/.DS_Store").write_text("x")
    assert of(tmp_path / "copy") == of(root) and len(of(root)) == 64
    assert of(root, ("valset", "trainset", "trainset")) == of(root)


@pytest.mark.parametrize("kind", ["trainset/egocentric", "trainset/exocentric", "valset/GT", "valset/mask"])
@pytest.mark.parametrize("change", ["grow", "rename", "remove"])
def test_any_change_of_a_file_changes_it(root, kind, change):
    before = of(root)
    file = sorted(path for path in (root / "Seen" / kind).rglob("*") if path.is_file())[0]
    if change == "grow":
        file.write_bytes(file.read_bytes() + b"x")
    elif change == "rename":
        file.rename(file.with_stem("renamed"))
    else:
        file.unlink()
    assert of(root) != before


def test_other_splits_do_not_matter(root):
    before = of(root)
    shutil.rmtree(root / "Seen/testset")
    assert of(root) == before != of(root, ("trainset",))


def test_skip_list_and_class_list_matter(root):
    data = open_dataset(root, "Seen")
    before = fingerprint(data, SPLITS)
    for split in ("trainset", "testset"):  # the list itself counts, too
        skipped = replace(data, skip=frozenset({data.relative(data.listed(split)[0].path)}))
        assert fingerprint(skipped, SPLITS) != before
    assert fingerprint(replace(data, actions=("pour", "hold", "cut_with")), SPLITS) != before


def test_no_split_at_all_is_told(root):
    with pytest.raises(DataError, match="none of the splits nowhere"):
        of(root, ("nowhere",))
