"""`selcon data check`: a sound set passes; every defect is found, named, and set right by the skip list."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from selcon_ros.cli.main import main
from selcon_training.data import examine
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.check import check
from selcon_training.data.check_report import KINDS
from selcon_training.data.published_sets import CLASS_LISTS, PUBLISHED, recognise
from support.dataset import COLOURS, make_dataset


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A set in AGD20K's way: images with action labels, and truth maps in the test set."""
    root = make_dataset(tmp_path_factory.mktemp("sets") / "data", train=6, test=3, exhaustive=False)
    shutil.rmtree(root / "Seen/trainset/GT")
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        path.write_bytes(path.read_bytes() + f" {number}".encode())  # no two alike
    return root


@pytest.fixture
def root(photographs, tmp_path):
    return Path(shutil.copytree(photographs, tmp_path / "data"))


def found(root, **options):
    (report,) = check(root, **options)
    return {kind: [place.name for place in places] for kind, places in report.findings.items()}


def images(root, split, view="egocentric"):
    return [item.path for item in open_dataset(root, "Seen").listed(split, view)]


def truths(root):
    return sorted((root / "Seen/testset/GT").rglob("*.png"))


def name(root, path):
    return path.relative_to(root).as_posix()


def damage(path):
    """Overwrite a stretch of the compressed data: the picture can still be decoded, but not as it was."""
    content = bytearray(path.read_bytes())
    content[-400:-300] = b"\x7f" * 100
    path.write_bytes(bytes(content))


def rewrite(path, change):
    image = change(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    assert cv2.imwrite(str(path), image)


def test_a_sound_set_passes_with_nothing_to_say(root):
    assert found(root) == {}
    result = CliRunner().invoke(main, ["data", "check", str(root)])
    assert result.exit_code == 0, result.output
    assert "ready: nothing found" in result.stdout and "exocentric" in result.stdout


def test_a_rendered_set_passes(tmp_path):
    root = make_dataset(tmp_path, train=3, val=3, test=3, negatives=2)
    assert set(found(root)) == {"repeated"}  # every picture lies under each of its actions


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"<html>", "is not an image"), (None, "is cut short"), (b"\xff\xd8", "is not an")],
)
@pytest.mark.parametrize("which", ["exocentric", "truth"])
def test_unreadable_files_are_errors_and_skipping_them_mends_the_set(root, tmp_path, which, content, told):
    path = truths(root)[0] if which == "truth" else images(root, "trainset", which)[5]
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    out = tmp_path / "skip.txt"
    result = CliRunner().invoke(main, ["data", "check", str(root), "--out", str(out)])
    assert result.exit_code == 1 and "not ready" in result.stdout
    assert told in result.stdout and name(root, path) in result.stdout
    listed = [line for line in out.read_text().splitlines() if not line.startswith("#")]
    assert listed == [name(root, path)]
    again = CliRunner().invoke(main, ["data", "check", str(root), "--skip", str(out), "--out", str(out)])
    assert again.exit_code == 0, again.output
    assert name(root, path) in out.read_text()  # a list made with a list holds that one too


def test_a_training_image_in_the_test_set_is_a_leak(root):
    source, copy = images(root, "testset")[0], images(root, "trainset", "exocentric")[0]
    shutil.copyfile(source, copy)
    assert found(root) == {"leak": [name(root, copy)]}


def test_copies_within_training_are_told_by_where_they_lie(root):
    first, neighbour, *others = images(root, "trainset", "exocentric")
    elsewhere = next(path for path in others if path.parent != first.parent)
    shutil.copyfile(first, neighbour)
    shutil.copyfile(first, elsewhere)
    told = found(root)
    assert told == {"duplicate": [name(root, neighbour)], "repeated": [name(root, elsewhere)]}


def test_truth_maps_and_images_without_each_other(root):
    lonely_image, lonely_truth = images(root, "testset")[0], truths(root)[-1].with_stem("other")
    truths(root)[0].unlink()
    shutil.copyfile(truths(root)[-1], lonely_truth)
    assert found(root) == {
        "no truth": [name(root, lonely_image)],
        "no image": [name(root, lonely_truth)],
    }


def test_truth_of_zeros_of_another_size_and_of_another_shape(root):
    zero, small, wide = truths(root)[:3]
    rewrite(zero, np.zeros_like)
    rewrite(small, lambda truth: cv2.resize(truth, None, fx=0.5, fy=0.5))
    rewrite(wide, lambda truth: cv2.resize(truth, (128, 50)))
    assert found(root) == {
        "all zero": [name(root, zero)],
        "truth size": [name(root, small)],
        "truth aspect": [name(root, wide)],
    }


def test_a_rotated_image_and_the_truth_of_its_stored_raster(root):
    path = images(root, "testset")[0]
    exif = Image.Exif()
    exif[274] = 6
    Image.open(path).save(path, exif=exif)
    told = found(root)
    assert told == {"format": [name(root, path)], "with its image": [name(root, truths(root)[0])]}


def test_folders_without_their_counterpart_and_with_one_image(root):
    exo, ego = root / "Seen/trainset/exocentric", root / "Seen/trainset/egocentric"
    shutil.rmtree(ego / "pour/cut_spout")
    shutil.rmtree(exo / "pour/grip_spout")
    for path in sorted((exo / "hold/cut_grip").iterdir())[1:]:
        path.unlink()
    (ego / "hold/bare").mkdir()
    (ego / "hold/notes.txt").write_text("x")
    (ego / "hold/.DS_Store").write_text("x")
    assert found(root) == {
        "no ego": ["Seen/trainset/exocentric/pour/cut_spout"],
        "no exo": ["Seen/trainset/egocentric/pour/grip_spout"],
        "one exo": ["Seen/trainset/exocentric/hold/cut_grip"],
        "empty folder": ["Seen/trainset/egocentric/hold/bare"],
        "ignored": ["Seen/trainset/egocentric/hold/notes.txt"],
    }


def test_class_list_mismatch(root, tmp_path):
    file = tmp_path / "actions.txt"
    file.write_text("cut_with\nhold\nsip\n")
    assert found(root, actions=str(file)) == {"class list": ["Seen/testset", "Seen/trainset"]}
    assert found(root, actions=sorted(COLOURS)) == {}
    (root / "Seen/testset/egocentric/pour").rename(root / "Seen/testset/egocentric/Pour")
    (root / "Seen/testset/GT/pour").rename(root / "Seen/testset/GT/Pour")
    (report,) = check(root)
    assert "not in the class list: Pour" in report.findings["class list"][0].note


def test_missing_and_empty_folders(root):
    shutil.rmtree(root / "Seen/trainset/exocentric")
    assert found(root) == {"missing": ["Seen/trainset"]}
    for path in images(root, "testset"):
        path.unlink()
    told = found(root)
    assert told["missing"] == ["Seen/testset/egocentric", "Seen/trainset"] and len(told["no image"]) == 6
    shutil.rmtree(root / "Seen/trainset")
    shutil.rmtree(root / "Seen/testset")
    result = CliRunner().invoke(main, ["data", "check", str(root)])
    assert result.exit_code == 1 and "holds no split" in result.output


def test_a_set_without_training_images_is_for_evaluation(root):
    shutil.rmtree(root / "Seen/trainset")
    assert found(root) == {"no training": ["Seen"]}
    told = CliRunner().invoke(main, ["data", "check", str(root)]).stdout
    assert "ready to evaluate on: nothing found" in told and "training" not in told.splitlines()[-1]


def test_two_images_for_one_truth_map(root):
    path = images(root, "testset")[0]
    rewrite(path, lambda image: image)
    cv2.imwrite(str(path.with_suffix(".png")), cv2.imread(str(path)))
    assert found(root) == {"two images": [name(root, path.with_suffix(".png"))]}


def test_unusual_formats_are_information(root):
    paths = images(root, "trainset")
    picture = Image.open(paths[0])
    for path, image, kind in (
        (paths[0], picture.convert("L"), "JPEG"),
        (paths[1], picture.convert("CMYK"), "JPEG"),
        (paths[2], picture.convert("RGBA"), "PNG"),
        (paths[4], picture.rotate(90), "WEBP"),
    ):
        image.save(path, kind)
    paths[3].write_bytes(cv2.imencode(".png", cv2.imread(str(paths[5])).astype(np.uint16))[1].tobytes())
    (report,) = check(root)
    assert report.ready and set(report.findings) == {"format"}
    notes = {place.name: place.note for place in report.findings["format"]}
    kinds = ("grey", "cmyk", "colour with alpha", "16 bits", "WebP")
    assert notes == {name(root, path): kind for path, kind in zip(paths, kinds, strict=False)}


def test_damage_inside_a_picture_is_told_by_the_decoder(root, capfd):
    path = images(root, "trainset")[0]
    damage(path)
    (report,) = check(root)
    assert report.ready and set(report.findings) == {"damaged"}
    assert "Corrupt JPEG data" in report.findings["damaged"][0].note
    assert "Corrupt" not in capfd.readouterr().err


def test_counts_are_compared_with_the_published_ones(tmp_path):
    """One image for every action of the Unseen class list: recognised, and short of the published counts."""
    picture = cv2.imencode(".jpg", np.full((8, 8, 3), 9, np.uint8))[1].tobytes()
    base = tmp_path / "Unseen/trainset"
    for number, action in enumerate(CLASS_LISTS["unseen"]):
        for view in ("exocentric", "egocentric"):
            folder = base / view / action / "thing"
            folder.mkdir(parents=True)
            (folder / "x.jpg").write_bytes(picture + bytes([number]) + view.encode())
    (report,) = check(tmp_path, divide="Unseen")
    assert report.recognised == "AGD20K Unseen" and report.ready
    counts = {(count.split, count.kind): (count.files, count.difference) for count in report.counts}
    assert counts == {
        ("trainset", "exocentric"): (25, 25 - 13323),
        ("trainset", "egocentric"): (25, 25 - 4815),
        ("testset", "egocentric"): (0, -1080),
        ("testset", "GT"): (0, -540),
    }
    assert "25 files, 13298 fewer than the published 13323" in report.findings["count"][0].note
    shutil.rmtree(base / "exocentric/wash")
    shutil.rmtree(base / "egocentric/wash")
    (report,) = check(tmp_path)
    assert report.findings["other actions"][0].note == "nearly AGD20K Unseen's, but for wash"
    (named,) = check(tmp_path, actions="unseen")
    assert not named.ready and "without a folder: wash" in named.findings["class list"][0].note


def test_published_sets_are_told_apart():
    for published in PUBLISHED:
        assert recognise(CLASS_LISTS[published.actions]) is published
    assert recognise(COLOURS) is None
    # method.md §10.
    assert [tuple(published.files.values()) for published in PUBLISHED[:2]] == [
        (20061, 6929, 1710, 1675),
        (13323, 4815, 1080, 540),
    ]


def test_every_divide_is_checked_and_json_names_every_file(root):
    shutil.copytree(root / "Seen", root / "Unseen")
    for path in truths(root)[:5]:
        rewrite(path, np.zeros_like)
    result = CliRunner().invoke(main, ["data", "check", str(root), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    seen, unseen = told["sets"]
    assert told["ready"] and [seen["divide"], unseen["divide"]] == ["Seen", "Unseen"]
    assert not unseen["findings"]
    (zeros,) = seen["findings"]
    assert zeros["level"] == "warning" and zeros["count"] == len(zeros["places"]) == 5
    only = CliRunner().invoke(main, ["data", "check", str(root), "--divide", "Unseen", "--json"])
    assert len(json.loads(only.stdout)["sets"]) == 1


def test_groups_and_threads_find_what_one_thread_finds(root, monkeypatch):
    images(root, "trainset")[3].write_bytes(b"")
    damage(images(root, "trainset")[5])
    alone = check(root, threads=1)
    monkeypatch.setattr(examine, "FILES_PER_GROUP", 3)
    assert check(root, threads=4) == alone
    assert set(alone[0].findings) == {"unreadable", "damaged"}


def test_no_such_folder(root):
    result = CliRunner().invoke(main, ["data", "check", str(root / "nowhere")])
    assert result.exit_code == 1 and "nowhere does not exist" in result.output


def test_every_kind_of_finding_is_seen_in_a_test():
    names = ("test_check.py", "test_left_out.py", "test_pairs.py", "test_truth_maps.py")
    text = "".join((Path(__file__).parent / name).read_text() for name in names)
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []
