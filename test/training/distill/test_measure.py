"""What counts as answered, how alike answers are, and how the student's confidence is fitted."""

import numpy as np
import pytest

from selcon_training.confidence.fitting import fit_probabilities
from selcon_training.distill.answers import Store, TeacherAnswer
from selcon_training.distill.measure import StudentComparison, divergences, figures, fit_to_teacher
from selcon_training.distill.pictures import HashedPicture, hold_out


def maps(seed=0):
    return np.random.default_rng(seed).uniform(size=(3, 6, 8)).astype(np.float32)


def test_the_teacher_answers_what_it_is_sure_of():
    answer = TeacherAnswer(maps(), np.array([0.9, 0.2, 0.5], np.float32))
    assert answer.counts(True).tolist() == [True, False, True]
    assert answer.counts(False).tolist() == [True, False, False]
    flat = TeacherAnswer(maps() * np.array([0, 1, 1], np.float32)[:, None, None], answer.confidence)
    assert flat.counts(True).tolist() == [False, False, True]


def test_a_map_is_compared_whatever_its_scale():
    answer = TeacherAnswer(maps() * np.array([1, 1, 0], np.float32)[:, None, None], np.ones(3, np.float32))
    same = divergences(5.0 * answer.maps + 2.0, answer)
    assert np.abs(same[:2]).max() < 1e-5 and np.isnan(same[2])
    assert divergences(maps(1), answer)[:2].min() > 0.05


def comparison(count=200):
    """A student whose evidence tells the teacher's confidence of the first two actions."""
    rng = np.random.default_rng(0)
    evidence = rng.uniform(size=(count, 3))
    confidence = 1 / (1 + np.exp(-(12 * evidence - 6)))
    confidence[:, 1] = 1 / (1 + np.exp(-(20 * evidence[:, 1] - 4)))
    confidence[:, 2] *= 0.1
    counts = confidence >= 0.5
    photos = [HashedPicture(None, str(number)) for number in range(count)]
    return StudentComparison(photos, rng.uniform(size=(count, 3)), evidence, confidence, counts)


def test_confidence_is_fitted_to_the_teachers():
    found = comparison()
    fit = fit_to_teacher(found)
    assert fit.scale[0] == pytest.approx(12, rel=0.05) and fit.offset[0] == pytest.approx(-6, rel=0.05)
    assert fit.scale[1] == pytest.approx(20, rel=0.05) and fit.offset[1] == pytest.approx(-4, rel=0.05)
    shared = fit_probabilities(found.evidence.ravel(), found.confidence.ravel())
    assert (fit.scale[2], fit.offset[2]) == shared  # never sure of the third: the curve of all


def test_figures_are_of_what_they_say():
    found = comparison()
    told = figures(found, ["cut_with", "hold", "pour"])
    every, hold = told["overall"], told["actions"]["hold"]
    assert every["questions"] == 600 and hold["questions"] == 200
    assert every["answered"] == int(found.counts.sum())
    assert hold["kld"] == pytest.approx(found.kld[:, 1][found.counts[:, 1]].mean())
    assert every["kld_of_all"] == pytest.approx(found.kld.mean())
    assert hold["agreement"] > 0.95 and hold["sure_too"] > 0.95
    assert told["actions"]["pour"]["kld"] is None and told["actions"]["pour"]["sure_too"] is None


def test_agreement_is_of_curves_from_other_pictures():
    """The teacher is sure from 0.2 on in one half of the pictures, from 0.8 on in the other."""
    found = comparison()
    limit = np.where(np.arange(len(found.photos)) % 2, 0.2, 0.8)[:, None]
    found.confidence[:] = np.where(found.evidence > limit, 0.99, 0.01)
    every = figures(found, ["cut_with", "hold", "pour"])["overall"]
    assert 0.2 < every["agreement"] < 0.6


def test_answers_come_back_and_damage_counts_as_missing(tmp_path):
    store = Store(tmp_path / "deep" / "er", 3)
    answer = TeacherAnswer(maps(), np.array([0.9, 0.2, 0.5], np.float32))
    store.put("key", answer)
    back = store.get("key")
    assert np.abs(back.maps - answer.maps).max() < 1e-3 and back.maps.dtype == np.float32
    assert back.confidence.tolist() == answer.confidence.tolist()
    assert store.get("other") is None and Store(store.folder, 4).get("key") is None
    file = next(store.folder.iterdir())
    whole = file.read_bytes()
    for damaged in (b"", whole[:50], whole[:-30], whole[:100] + b"\xff" * 400 + whole[500:]):
        file.write_bytes(damaged)
        assert store.get("key") is None
    np.savez(file, maps=np.array([{"a": 1}], object), confidence=answer.confidence)
    assert store.get("key") is None  # a pickle


def test_what_is_held_out_depends_on_content_and_seed():
    photos = [HashedPicture(None, f"{number:02d}") for number in range(40)]
    learned, held = hold_out(photos, 0.25, 0)
    assert len(held) == 10 and sorted([*learned, *held], key=lambda photo: photo.key) == photos
    assert hold_out(photos, 0.25, 0)[1] == held != hold_out(photos, 0.25, 1)[1]
    assert len(hold_out(photos, 0.0, 0)[1]) == 4
