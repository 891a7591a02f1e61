"""Files that nobody can or should read: other formats, pipes, devices, links that lead nowhere. The check and
training say so alike, and nothing is opened that could wait or never end."""

import os

import pytest

from selcon_training.config import parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.check import check
from selcon_training.data.notices import notices
from selcon_training.errors import DataError
from selcon_training.training.trainer import Trainer
from support.dataset import config_values
from support.nets import register_small_clip
from support.squares import squares_of

root = squares_of("function", train=6, test=3, exhaustive=False)


def folder(root, view="egocentric"):
    return root / f"Seen/trainset/{view}/hold/cut_grip"


def add_other_formats(root):
    """Pictures as a phone and a camera leave them, and what does not count beside them."""
    for number in range(2):
        (folder(root) / f"IMG_{number}.HEIC").write_bytes(b"x")
    (folder(root, "exocentric") / "raw.cr2").write_bytes(b"x")
    (folder(root, "GT") / "map.npy").write_bytes(b"x")
    for name in ("._IMG_0.HEIC", "Thumbs.db", "notes.txt", "annotation.json"):
        (folder(root) / name).write_bytes(b"x")
    (folder(root) / "empty.heic").touch()


def add_special_files(root):
    """No plain files, with names of pictures."""
    os.mkfifo(folder(root) / "pipe.jpg")
    (folder(root) / "zero.png").symlink_to("/dev/zero")
    (folder(root) / "loop.jpg").symlink_to("loop.jpg")
    (folder(root) / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder(root, "GT") / "pipe.png")
    (folder(root).parent / "again").symlink_to("again")
    return 6


def test_other_formats_are_counted_by_check_and_training(root):
    before = len(open_dataset(root, "Seen").items("trainset"))
    add_other_formats(root)
    (report,) = check(root)
    assert report.ready
    told = {place.name.split("/")[2]: place.note for place in report.findings["not read"]}
    assert told["egocentric"].startswith("2 .heic, of 14 files") and "1 .cr2" in told["exocentric"]
    assert "1 .npy" in told["GT"]
    data = open_dataset(root, "Seen")
    (line,) = notices(data, ["trainset", "valset"])
    assert line.startswith("4 of 52 files in ") and "2 .heic, 1 .cr2, 1 .npy" in line
    assert len(data.items("trainset")) == before


def test_a_set_of_other_formats_alone_says_which(root):
    for path in (root / "Seen/trainset/egocentric").rglob("*.jpg"):
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(DataError, match=r"holds no image .*, but 12 \.heic, which are not read"):
        open_dataset(root, "Seen").items("trainset")


def test_what_is_no_plain_file_is_named_and_never_opened(root):
    before = len(open_dataset(root, "Seen").items("trainset"))
    count = add_special_files(root)
    (report,) = check(root)
    names = {place.name.rsplit("/", 1)[1] for place in report.findings["special"]}
    assert report.ready and len(report.findings["special"]) == count
    assert names == {"pipe.jpg", "zero.png", "loop.jpg", "gone.jpg", "pipe.png", "again"}
    data = open_dataset(root, "Seen")
    assert len(data.items("trainset")) == before
    lines = notices(data, ["trainset"])
    assert len(lines) == 6 and lines[-1] == "and 1 more such files"
    assert all("is not opened" in line for line in lines[:-1])


def test_a_list_or_a_description_that_is_no_plain_file_is_told(root):
    (root / "skip.txt").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"skip\.txt: it is a device, not a plain file"):
        open_dataset(root, "Seen", root / "skip.txt")
    os.mkfifo(root / "dataset.json")
    with pytest.raises(DataError, match=r"dataset\.json: it is a pipe, not a plain file"):
        open_dataset(root, "Seen")


def test_training_says_what_it_leaves_out(root, tmp_path, capsys):
    add_other_formats(root)
    add_special_files(root)
    register_small_clip(tmp_path)
    values = config_values(root, tmp_path / "run", supervision="weak")
    values["data"] |= {"exocentric": 2}
    Trainer(parse_config(values))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert len(told) == 7 and "files in" in told[0] and "4 of 52" in told[0]
