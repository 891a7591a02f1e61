"""KLD, SIM and NSS."""

import numpy as np
import pytest

from selcon_training.metrics import kld, nss, prepare_prediction, prepare_truth, sim
from support.parity import FOLDER


def test_metrics_are_the_authors():
    with np.load(FOLDER / "metrics_a.npz") as data:
        prediction, truth = data["prediction"].astype(float), data["ground_truth"].astype(float)
        assert kld(prediction, truth) == pytest.approx(float(data["kld"]), rel=1e-4)
        assert sim(prediction, truth) == pytest.approx(float(data["sim"]), rel=1e-4)
        assert nss(prediction, truth) == pytest.approx(float(data["nss"]), rel=1e-4)


def test_a_perfect_prediction_is_perfect():
    truth = np.random.default_rng(0).random((8, 9))
    assert kld(3 * truth, truth) == pytest.approx(0, abs=1e-9)
    assert sim(3 * truth, truth) == pytest.approx(1)
    assert nss(truth, truth) > 0


def test_constant_and_empty_predictions_are_finite():
    truth = np.zeros((8, 8))
    truth[2, 2] = 1
    for prediction in (np.zeros((8, 8)), np.ones((8, 8))):
        assert np.isfinite(kld(prediction, truth)) and nss(prediction, truth) == 0
    assert sim(np.zeros((8, 8)), truth) == 0
    assert nss(truth, np.ones((8, 8))) == pytest.approx(0)


@pytest.mark.parametrize("metric", [kld, sim, nss])
def test_bad_maps_are_named(metric):
    good = np.ones((4, 4))
    with pytest.raises(ValueError, match="zero everywhere"):
        metric(good, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="one size"):
        metric(good, np.ones((4, 5)))
    with pytest.raises(ValueError, match="not negative"):
        metric(-good, good)
    with pytest.raises(ValueError, match="finite"):
        metric(good, good * np.nan)


def test_maps_are_prepared_as_the_paper_does():
    prediction = prepare_prediction(np.arange(14 * 14).reshape(14, 14) - 50)
    assert prediction.shape == (224, 224) and prediction.min() == 0 and prediction.max() == 1
    assert not prepare_prediction(np.full((14, 14), 7.0)).any()
    truth = prepare_truth(np.full((300, 400), 51, np.uint8))
    assert truth.shape == (224, 224) and truth == pytest.approx(0.2)
