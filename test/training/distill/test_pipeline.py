"""`selcon distill`: pictures in, a student, its bundle and report out; stopped, gone on with, refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import selcon_training.encoders  # noqa: F401 - makes torchvision importable before timm
from selcon_ros.cli.main import main
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.pictures.picture_files import read_image, write_image
from selcon_training.config import ConfigError
from selcon_training.distill import pipeline
from selcon_training.distill.pipeline import Places, distill
from selcon_training.distill.plan import DistillPlan
from selcon_training.errors import DataError, DistillError, EncoderError
from selcon_training.models.from_bundle import restore
from selcon_training.training import trainer
from support import dataset, photos
from support.bundles import colour_bundle, edit_manifest
from support.pages import checked_page
from support.pyramids import NAME, make_base

FAST = ["backbone.width=16", "schedule.batch_size=8", "schedule.warmup_steps=2", "ema=null"]
FAST += ["optimiser.lr=0.01", "optimiser.encoder_lr=0.005", "data_threads=1"]
PICTURES = 32


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A bundle with affinity and calibration that finds colours."""
    return colour_bundle(tmp_path_factory.mktemp("teacher") / "bundle", (96, 128))


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Pictures of coloured squares without labels, in two folders; nobody may change them."""
    folder = tmp_path_factory.mktemp("album")
    for number, (image, _) in enumerate(photos.scenes(PICTURES)):
        place = folder / ("kitchen" if number % 2 else "bench") / f"{number:03d}.png"
        place.parent.mkdir(exist_ok=True)
        write_image(place, image)
    return folder


def plan(**changes):
    given = {"student": NAME, "size": (64, 96), "epochs": 2, "threads": 1, "max_kld": 1e3}
    return DistillPlan(**{**given, "overrides": FAST, **changes})


def places(folder: Path):
    return Places(folder / "fast", folder / "report", folder / "work")


def arguments(teacher, album, out, *more):
    given = ["distill", str(teacher), str(album), "--out", str(out), "--student", NAME, "--size", "64,96"]
    given += ["--threads", "1", *(word for each in FAST for word in ("--set", each))]
    return [*given, *more]


def test_the_whole_command(teacher, album, tmp_path):
    root = dataset.make_dataset(tmp_path / "squares", train=1)
    more = ["--epochs", "24", "--max-kld", "5", "--truth", str(root), "--divide", "Seen", "--json"]
    done = CliRunner().invoke(main, arguments(teacher, album, tmp_path / "fast", *more))
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "fast_report" / "results.json").read_text())
    assert (result["learned_from"], result["held_out"], result["pictures"]) == (28, 4, PICTURES)
    overall, truth = result["overall"], result["truth"]
    assert overall["questions"] == 12 and 4 <= overall["answered"] <= 8
    assert overall["kld"] < 1.0 and overall["agreement"] > 0.8
    assert truth["teacher"]["queries"] == truth["student"]["queries"] == 12
    assert truth["kld_from_teacher"] == pytest.approx(overall["kld"], abs=0.4)
    assert truth["student"]["right_part"] > 0.7 and truth["teacher"]["right_part"] > 0.7
    assert result["time"]["threads"] == 2 and result["time"]["runs"] > 1 and result["written"]
    page = checked_page(tmp_path / "fast_report" / "report.html")
    assert page.count("<img") == sum(min(4, overall["answered"]) for _ in range(3))
    bundle, given = load_bundle(tmp_path / "fast"), load_bundle(teacher).manifest
    manifest = bundle.manifest
    assert manifest.actions == given.actions and manifest.calibration == "none" and manifest.fit == "pad"
    told = manifest.training["distilled"]
    assert told["teacher"] == "colours" and told["pictures"] == PICTURES and told["photos"] == album.name
    assert manifest.training["data"] == given.training["data"]
    assert told["teacher_model_sha256"] == given.files["model"].sha256
    assert manifest.training["supervision"] == "distilled" and "dense" not in manifest.training
    assert manifest.metrics["distilled"]["overall"] == overall and manifest.name == "colours, distilled"
    assert restore(bundle).net.actions == list(given.actions)  # may be adapted, or taught further


def test_stopped_and_gone_on_with_it_is_as_if_never_stopped(teacher, album, tmp_path):
    whole, parts = places(tmp_path / "whole"), places(tmp_path / "parts")
    expected = distill(teacher, album, whole, plan())
    assert distill(teacher, album, parts, plan(), max_steps=1) is None
    with pytest.raises(ConfigError, match="already holds a run: use --resume"):
        distill(teacher, album, parts, plan())
    assert distill(teacher, album, parts, plan(), resume=True, max_steps=3) is None
    found = distill(teacher, album, parts, plan(), resume=True)
    assert load_bundle(parts.out).model == load_bundle(whole.out).model
    assert load_bundle(parts.out).manifest.confidence == load_bundle(whole.out).manifest.confidence
    assert found["overall"] == expected["overall"]
    shutil.rmtree(parts.out)
    again = distill(teacher, album, parts, plan(), resume=True)  # trained to the end: measured anew
    assert again["overall"] == expected["overall"] and parts.out.is_dir()


def test_ctrl_c_stops_with_a_checkpoint(teacher, album, tmp_path, monkeypatch):
    class Told(trainer.TrainLoop):
        def run(self, max_steps=None):
            return super().run(2)

    monkeypatch.setattr(pipeline, "TrainLoop", Told)
    done = CliRunner().invoke(main, arguments(teacher, album, tmp_path / "fast"))
    assert done.exit_code == INTERRUPTED_EXIT_CODE and "--resume" in done.output
    assert (tmp_path / "fast_work" / "checkpoint" / "trainer.pt").is_file()
    assert not (tmp_path / "fast").exists()


def test_nothing_is_resumed_that_was_begun_otherwise(teacher, album, tmp_path):
    where = places(tmp_path)
    distill(teacher, album, where, plan(), max_steps=1)
    other = colour_bundle(tmp_path / "other", (96, 128), {"data": "else"})
    with pytest.raises(ConfigError, match="teacher: not the files that it was begun with"):
        distill(other, album, where, plan(), resume=True)
    with pytest.raises(ConfigError, match="seed: 0 became 1"):
        distill(teacher, album, where, plan(seed=1), resume=True)
    more = shutil.copytree(album, tmp_path / "more")
    write_image(more / "new.png", np.full((80, 90, 3), 77, np.uint8))
    with pytest.raises(ConfigError, match=f"pictures: {PICTURES} images became {PICTURES + 1}"):
        distill(teacher, more, where, plan(), resume=True)
    moved = shutil.copytree(album, tmp_path / "moved")
    assert (
        distill(teacher, moved, where, plan(), resume=True, max_steps=1) is None
    )  # only their place changed


def test_the_teacher_is_asked_about_each_picture_once(teacher, album, tmp_path, monkeypatch):
    asked = []

    class Counting(pipeline.Teacher):
        def answer(self, picture):
            asked.append(picture.shape)
            if len(asked) == 20:
                raise KeyboardInterrupt
            return super().answer(picture)

    monkeypatch.setattr(pipeline, "Teacher", Counting)
    where = places(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        distill(teacher, album, where, plan(), max_steps=1)
    stored = sorted((where.work / "teacher").rglob("*.npz"))
    assert len(stored) == 19
    stored[0].write_bytes(stored[0].read_bytes()[:100])  # as a full disk may leave it
    distill(teacher, album, where, plan(), max_steps=1)
    assert len(asked) == 20 + PICTURES - 19 + 1


def test_a_student_that_is_too_different_is_refused(teacher, album, tmp_path):
    done = CliRunner().invoke(
        main, arguments(teacher, album, tmp_path / "fast", "--epochs", "1", "--max-kld", "0.01")
    )
    assert done.exit_code == 1 and "above 0.01 (--max-kld)" in done.output
    assert not (tmp_path / "fast").exists()
    assert "was not written" in (tmp_path / "fast_report" / "report.html").read_text()
    assert json.loads((tmp_path / "fast_report" / "results.json").read_text())["written"] is False


def test_pictures_that_cannot_be_read_are_named_and_left_out(teacher, album, tmp_path, capsys):
    folder = shutil.copytree(album, tmp_path / "album")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "empty.png").touch()
    shutil.copy(folder / "bench" / "000.png", folder / "again.png")
    (folder / ".hidden.png").write_bytes(b"nothing")
    assert distill(teacher, folder, places(tmp_path), plan(), max_steps=1) is None
    told = "".join(capsys.readouterr())
    assert "broken.jpg" in told and "empty.png is empty" in told and "1 files are copies" in told
    assert len(list((tmp_path / "work" / "teacher").rglob("*.npz"))) == PICTURES


def test_a_student_goes_on_from_a_bundle_at_another_size(teacher, album, tmp_path):
    base = make_base(tmp_path / "base", norms=False)
    where = places(tmp_path)
    result = distill(teacher, album, where, plan(student=None, start=base, size=(32, 64), epochs=1))
    manifest = load_bundle(where.out).manifest
    assert manifest.input_size == (32, 64) and result["student"]["start"] == str(base)
    assert manifest.training["earlier"] == {"synthetic": True}
    with pytest.raises(DistillError, match="leave out one of the two"):
        distill(teacher, album, places(tmp_path / "two"), plan(student="resnet18", start=base))
    edit_manifest(base, lambda record: record.update(actions=["hold", "cut_with", "pour"]))
    with pytest.raises(DistillError, match="in the same order"):
        distill(teacher, album, places(tmp_path / "two"), plan(student=None, start=base))


def test_what_cannot_be_taught_is_told_before_the_teacher_is_asked(teacher, album, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "ask", lambda *given: pytest.fail("asked"))
    with pytest.raises(EncoderError, match="timm knows no model 'test_eficientnet'; near are"):
        distill(teacher, album, places(tmp_path), plan(student="test_eficientnet"))
    with pytest.raises(EncoderError, match="does not fit"):
        distill(teacher, album, places(tmp_path), plan(size=(50, 50)))
    with pytest.raises(ConfigError, match="schedule.epoch: no such key"):
        distill(teacher, album, places(tmp_path), plan(overrides=["schedule.epoch=3"]))
    (tmp_path / "few").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        distill(teacher, tmp_path / "few", places(tmp_path), plan())
    shutil.copy(album / "bench" / "000.png", tmp_path / "few" / "one.png")
    with pytest.raises(DataError, match="holds 1 pictures: give at least 16"):
        distill(teacher, tmp_path / "few", places(tmp_path), plan())
    tests = shutil.copytree(album, tmp_path / "testset")
    with pytest.raises(DataError, match="of a test split"):
        distill(teacher, tests, places(tmp_path), plan())
    assert not (tmp_path / "work").exists()


def test_pictures_of_nothing_that_the_teacher_knows_teach_nothing(teacher, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(16):
        grey = np.repeat(rng.integers(90, 160, (96, 128, 1), dtype=np.uint8), 3, axis=2)
        (tmp_path / "grey").mkdir(exist_ok=True)
        write_image(tmp_path / "grey" / f"{number}.png", grey)
    with pytest.raises(DistillError, match="is sure of no action in any of the 4 pictures"):
        distill(teacher, tmp_path / "grey", places(tmp_path), plan())


def test_truth_is_measured_on_other_pictures_than_it_learns_from(teacher, tmp_path):
    from selcon_training.data.chosen_split import ChosenSplit

    root = dataset.make_dataset(tmp_path / "squares", train=16)
    folder = root / "Seen" / "trainset" / "egocentric"
    assert len({read_image(path).tobytes() for path in folder.rglob("*.jpg")}) == 16
    for split, said in (("trainset", "pictures of trainset with truth are among"), ("valset", None)):
        truth = ChosenSplit(root, "Seen", split)
        if said is None:
            assert distill(teacher, folder, places(tmp_path), plan(), truth, max_steps=1) is None
        else:
            with pytest.raises(DataError, match=said):
                distill(teacher, folder, places(tmp_path), plan(), truth)
