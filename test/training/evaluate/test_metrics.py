"""KLD, SIM and NSS, in batches, against the authors' numbers and a plain numpy reading of method.md §9."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.evaluate.metrics import compare_maps, prepare_prediction, prepare_truth
from support.parity import FOLDER

METRICS = ("kld", "sim", "nss")


def plain(prediction, truth):
    """(KLD, SIM, NSS) of one pair of maps, as method.md §9 is written."""
    p, q = prediction / prediction.sum(), truth / truth.sum()
    kld = (q * np.log(q / (p + 1e-12) + 1e-12)).sum()
    where = (truth - truth.min()) / (truth.max() - truth.min()) > 0.1
    return kld, np.minimum(p, q).sum(), ((prediction - prediction.mean()) / prediction.std())[where].mean()


def enlarged(values, size=(224, 224)):
    return cv2.resize(np.asarray(values, float), size, interpolation=cv2.INTER_LINEAR)


def test_metrics_are_the_authors():
    with np.load(FOLDER / "metrics_a.npz") as data:
        found = compare_maps(data["prediction"], data["ground_truth"])
        for name in METRICS:
            assert float(getattr(found, name)) == pytest.approx(float(data[name]), rel=1e-4), name


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(2, 18))
def test_a_batch_gives_what_each_pair_gives_alone(seed, pairs, variants, side):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(pairs, variants, side, 14))
    truths = rng.integers(0, 256, (pairs, 1, 300, 260)).astype(np.uint8)
    found = compare_maps(prepare_prediction(torch.from_numpy(maps)), prepare_truth(torch.from_numpy(truths)))
    for pair in range(pairs):
        truth = enlarged(truths[pair, 0] / 255)
        for variant in range(variants):
            prediction = enlarged(maps[pair, variant])
            prediction = (prediction - prediction.min()) / (prediction.max() - prediction.min())
            wanted = plain(prediction, truth)
            given = [float(getattr(found, name)[pair, variant]) for name in METRICS]
            assert given == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("shape", [(14, 14), (18, 24), (112, 448), (448, 448), (1365, 2048), (300, 1)])
def test_maps_are_resized_as_opencv_does(shape):
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    wanted = enlarged(values / 255)
    given = prepare_truth(values).numpy()
    # OpenCV keeps positions in float32: to some 1e-7 of the picture's size, in pixels.
    assert np.abs(given - wanted).max() < 3e-7 * max(shape)


def test_a_perfect_prediction_is_perfect():
    truth = np.random.default_rng(0).random((8, 9))
    found = compare_maps(3 * truth, truth)
    assert float(found.kld) == pytest.approx(0, abs=1e-9) and float(found.sim) == pytest.approx(1)
    assert float(found.nss) > 0


def test_constant_and_empty_predictions_are_finite():
    truth = np.zeros((8, 8))
    truth[2, 2] = 1
    found = compare_maps(np.stack([np.zeros((8, 8)), np.ones((8, 8))]), truth)
    assert torch.isfinite(found.kld).all() and found.nss.tolist() == [0, 0]
    assert found.sim[0] == 0
    assert float(compare_maps(truth, np.ones((8, 8))).nss) == pytest.approx(0, abs=1e-12)


def test_bad_maps_are_named():
    good = np.ones((4, 4))
    with pytest.raises(ValueError, match="zero everywhere"):
        compare_maps(good, np.stack([good, np.zeros((4, 4))]))
    with pytest.raises(ValueError, match="one size"):
        compare_maps(good, np.ones((4, 5)))
    with pytest.raises(ValueError, match="not negative"):
        compare_maps(-good, good)
    with pytest.raises(ValueError, match="finite"):
        compare_maps(good, good * np.nan)


def test_maps_are_prepared_as_the_paper_does():
    prediction = prepare_prediction(np.arange(14 * 14).reshape(14, 14) - 50)
    assert prediction.shape == (224, 224) and prediction.min() == 0 and prediction.max() == 1
    assert not prepare_prediction(np.full((14, 14), 7.0)).any()
    truth = prepare_truth(np.full((300, 400), 51, np.uint8))
    assert truth.shape == (224, 224) and truth.numpy() == pytest.approx(0.2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine with one")
def test_a_gpu_gives_the_same_numbers():
    rng = np.random.default_rng(0)
    maps, truths = torch.from_numpy(rng.random((5, 14, 14))), torch.from_numpy(rng.random((5, 300, 260)))
    here = compare_maps(prepare_prediction(maps), prepare_truth(truths))
    there = compare_maps(prepare_prediction(maps.cuda()), prepare_truth(truths.cuda()))
    for name in METRICS:
        assert getattr(there, name).is_cuda
        torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name), rtol=1e-9, atol=1e-9)
