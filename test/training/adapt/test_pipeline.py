"""`selcon adapt`: weights out of a bundle, samples, training, the bundle and its report."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import selcon_training.encoders  # noqa: F401 - makes torchvision importable before timm
from selcon_ros.cli.main import main
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_training.adapt import cross_validation, learning, pipeline, rendered, subject
from selcon_training.adapt.learning import Sources, adapted
from selcon_training.adapt.measure import answers, figures
from selcon_training.adapt.photo_set import folds, make_photo_set, negative_pictures
from selcon_training.adapt.pipeline import AdaptPlan, adapt
from selcon_training.adapt.reading import read_photos
from selcon_training.config.sections import DenseConfig
from selcon_training.errors import AdaptError, DataError
from selcon_training.models.from_bundle import has_half_weights, restore
from selcon_training.models.test_time_averaging import NO_AVERAGING
from support import dataset, photos
from support.pages import checked_page
from support.pyramids import CANVAS, make_base

DENSE = DenseConfig(dice=1.0, refined=0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base") / "bundle", norms=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Photos in labelme's layout; nobody may change them."""
    return photos.labelme(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Rendered samples that are as simple as the photos."""
    folder = tmp_path_factory.mktemp("samples")
    root = dataset.make_dataset(folder / "squares")
    rendered.write_rendered(root, "Seen", ["trainset"], 10, folder / "made.zip")
    return folder / "made.zip"


@pytest.fixture
def quick(monkeypatch, squares):
    """High rates and simple samples: the bundle has random weights, and some steps are to show."""
    monkeypatch.setattr(subject, "PACKAGED_FILE", squares)
    rates = {"lr": 5e-3, "encoder_lr": 2e-3}
    monkeypatch.setattr(learning, "OPTIMISER", learning.OPTIMISER.model_copy(update=rates))


def photo_set_of(folder, negatives=None, **options):
    layout, labelled = read_photos(folder, negatives)
    return make_photo_set(layout, labelled, negative_pictures(negatives), photos.LABELS, CANVAS, **options)


def test_packaged_samples_have_parts_and_are_small():
    samples = rendered.read_rendered(rendered.PACKAGED_FILE, photos.LABELS, CANVAS, False)
    assert len(samples) >= 90 and rendered.PACKAGED_FILE.stat().st_size < 2.2e6
    assert {action for sample in samples for action in sample.masks} == {0, 1, 2}
    assert all(sample.known == (0, 1, 2) for sample in samples)


def test_samples_are_made_of_a_rendered_set(squares, tmp_path):
    samples = rendered.read_rendered(squares, ["pour", "hold"], CANVAS, False)
    assert len(samples) == 10
    for sample in samples:
        for action, mask in sample.masks.items():
            colour = np.median(sample.loaded.picture[mask], axis=0)
            assert np.abs(colour - dataset.COLOURS[["pour", "hold"][action]]).max() < 25
            assert 0.7 < mask.sum() / dataset.SQUARE**2 < 1.4
    with pytest.raises(DataError, match="test split"):
        rendered.write_rendered(squares.parent / "squares", "Seen", ["testset"], 5, tmp_path / "made.zip")


def test_a_damaged_picture_of_a_rendered_set_is_named(squares, tmp_path):
    with zipfile.ZipFile(squares) as whole, zipfile.ZipFile(tmp_path / "cut.zip", "w") as cut:
        for name in whole.namelist():
            cut.writestr(name, whole.read(name)[: -20 if name == "0003.png" else None])
    with pytest.raises(DataError, match=r"0003\.png of .*cut\.zip is cut short"):
        rendered.read_rendered(tmp_path / "cut.zip", ["pour", "hold"], CANVAS, False)


def test_photos_of_one_object_are_held_out_together(tmp_path):
    photo_set = photo_set_of(photos.folders(tmp_path, 9), objects=r"/(thing\d)/")
    parts = folds(photo_set.photos, 4, 0)
    assert sorted(index for part in parts for index in part) == list(range(9))
    with pytest.raises(AdaptError, match="tells no object in"):
        photo_set_of(tmp_path, objects="(mug)")
    assert sorted(len({photo_set.photos[index].object for index in part}) for part in parts) == [1, 1, 1]


def test_a_network_learns_from_photos(base, drawn, quick):
    photo_set, net = photo_set_of(drawn), restore(load_bundle(base)).net
    kept = {key: value.clone() for key, value in net.state_dict().items()}
    sources = Sources(photo_set.photos, [], photo_set.photos, DENSE)
    ticks = []
    made = [adapted(net, CANVAS, sources, 50, 0, lambda: ticks.append(1)) for _ in range(2)]
    assert len(ticks) == 100
    states = [list(each.state_dict().values()) for each in made]
    assert all(one.equal(other) for one, other in zip(*states, strict=True))
    assert all(value.equal(kept[key]) for key, value in net.state_dict().items())
    moved = {key for key, value in made[0].state_dict().items() if not value.equal(kept[key])}
    assert any(key.startswith("heads.") for key in moved) and not any("running" in key for key in moved)
    before, after = (
        figures(answers(each, NO_AVERAGING, CANVAS, photo_set.photos), None) for each in (net, made[0])
    )
    assert after["kld"] < 0.8 * before["kld"] and after["right_part"] > 0.8


def test_the_whole_command(base, drawn, tmp_path, quick):
    negatives = photos.negatives(tmp_path / "nothing")
    arguments = ["adapt", str(drawn), "--out", str(tmp_path / "mine"), "--bundle", str(base), "--json"]
    arguments += ["--negatives", str(negatives), "--folds", "2", "--threads", "1"]
    arguments += ["--steps", "30", "--fold-steps", "30"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "mine_report" / "results.json").read_text())
    assert result["overall"]["after"]["questions"] == 12 and result["folds"] == 2
    assert result["overall"]["after"]["kld"] < result["overall"]["before"]["kld"]
    assert result["overall"]["after"]["absent"] == 6 and result["photos"] == result["nothing"] == 6
    assert result["nothing_published"]["before"]["photos"] == 6
    page = checked_page(tmp_path / "mine_report" / "report.html")
    assert page.count("<img") == 12 and "cross-validation" in page
    bundle, given = load_bundle(tmp_path / "mine"), load_bundle(base).manifest
    manifest = bundle.manifest
    assert manifest.training["adapted"]["photos"] == 6 and not manifest.data_warning
    assert (manifest.actions, manifest.fit, manifest.canvas) == (given.actions, "pad", given.canvas)
    # 4 photos with, 2 photos and 6 negative pictures without each action: too few of the former.
    assert manifest.confidence == given.confidence and result["confidence_refitted"] == []
    assert restore(bundle).net.actions == photos.LABELS  # may be adapted again
    assert result["int8"].startswith("kept" if "model.int8" in bundle.files else "left out: its time")


def test_how_well_few_photos_do_on_other_objects(base, tmp_path, quick):
    prepared = subject.prepare(photos.folders(tmp_path / "set", 12), base, None, r"/(thing\d)/")
    result = cross_validation.cross_validate(prepared, 4, 5, 0)
    assert result["parts"] == [4, 4, 4] and result["overall"]["before"]["questions"] == 24
    assert result["overall"]["after"]["questions"] == 48  # every photo by the two parts that it is not in
    with pytest.raises(AdaptError, match="not enough"):
        cross_validation.cross_validate(prepared, 12, 5, 0)


def test_confidence_is_refitted_where_photos_tell_and_weights_stay_halved(tmp_path, quick):
    folder = photos.labelme(tmp_path / "photos", 7)
    others = ((0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
    base = make_base(tmp_path / "half", norms=False, weights="fp16", others=others)
    negatives = photos.negatives(tmp_path / "nothing")
    plan = AdaptPlan(30, 2, 30)
    result = adapt(folder, base, tmp_path / "mine.zip", tmp_path / "report", negatives, "mine", plan, 1)
    refitted, manifest = set(result["confidence_refitted"]), load_bundle(tmp_path / "mine.zip").manifest
    assert manifest.name == "mine" and 0 < len(refitted) < 3
    assert has_half_weights(load_bundle(tmp_path / "mine.zip").model)
    for index, action in enumerate(photos.LABELS):
        assert (manifest.confidence.scale[index] != 10.0) == (action in refitted)
        assert any(manifest.confidence.others[index]) == (action not in refitted)


def test_one_object_cannot_be_left_out(base, drawn, tmp_path):
    with pytest.raises(AdaptError, match="all photos show one object.*leave out --objects"):
        adapt(drawn, base, tmp_path / "mine", tmp_path / "report", objects=r"/(p)\d", threads=1)


def test_nothing_is_written_where_adapting_did_not_help(base, drawn, tmp_path, monkeypatch, quick):
    held = pipeline._cross_validated

    def elsewhere(*arguments):
        """What networks answer that have learnt something else than the masks."""
        return [replace(each, right=False, kld=99.0) if each.there else each for each in held(*arguments)]

    monkeypatch.setattr(pipeline, "_cross_validated", elsewhere)
    monkeypatch.setattr(subject, "restore", lambda bundle: learnt(restore(bundle), drawn))
    with pytest.raises(AdaptError, match="did not help: .* KLD from .* to 99"):
        adapt(drawn, base, tmp_path / "mine", tmp_path / "report", plan=AdaptPlan(1, 2, 1), threads=1)
    assert not (tmp_path / "mine").exists()
    assert "was not written" in (tmp_path / "report" / "report.html").read_text()


def test_the_report_is_written_also_where_the_bundle_cannot_be(base, drawn, tmp_path, quick):
    full, report = tmp_path / "file" / "mine.zip", tmp_path / "report"
    full.parent.write_text("no folder")
    with pytest.raises((SelconError, OSError)) as raised:
        adapt(drawn, base, full, report, plan=AdaptPlan(1, 2, 1), threads=1)
    result = json.loads((report / "results.json").read_text())
    assert not result["written"] and result["fault"] in str(raised.value)
    assert "was not written" in (report / "report.html").read_text()


def learnt(restored, folder):
    """A network that is right on the photos already."""
    photo_set = photo_set_of(folder)
    sources = Sources(photo_set.photos, [], photo_set.photos, DENSE)
    return replace(restored, net=adapted(restored.net, CANVAS, sources, 50, 0, lambda: None))


def test_a_bundle_of_another_network_is_refused_by_the_command(base, drawn, tmp_path):
    bundle = load_bundle(base)
    write_bundle(tmp_path / "other", replace(bundle.manifest, encoders={}, files={}), bundle.files)
    done = CliRunner().invoke(
        main, ["adapt", str(drawn), "--out", str(tmp_path / "mine"), "--bundle", str(tmp_path / "other")]
    )
    assert done.exit_code == 1 and "selcon train" in done.output and not (tmp_path / "mine").exists()
