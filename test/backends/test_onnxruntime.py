import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from support.bundles import colour_bundle
from support.made_graphs import FRAMES, IMAGE, MAPS, bundle_of, graph


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(colour_bundle(tmp_path / "colours"))


def test_an_open_model_does_not_keep_its_file(bundle: Bundle) -> None:
    before = sys.getrefcount(bundle.files["model"])
    backend = open_on_cpu(bundle)
    after = sys.getrefcount(bundle.files["model"])
    assert after == before
    assert np.isfinite(backend.run(FRAMES)[0]).all()


def test_runs_the_model(bundle: Bundle) -> None:
    backend = open_on_cpu(bundle, CpuOptions(1))
    assert backend.name.startswith("ONNX Runtime 1.") and "CPU" in backend.name
    cam, affinity = backend.run(FRAMES)
    assert cam.shape == affinity.shape == (1, 3, 18, 24)
    assert cam.dtype == affinity.dtype == np.float32


def test_weights_outside_the_verified_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph can name a file for its weights, which no hash of the manifest covers."""
    model = graph(IMAGE, MAPS)
    weight = model.graph.initializer[0]
    (tmp_path / "weights").write_bytes(np.array([1, 3, 18, 24], np.int64).tobytes())
    weight.ClearField("int64_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights"), ("length", "32")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError, match="cannot be opened"):
        open_on_cpu(bundle_of(tmp_path, model))
