"""Every backend that runs on a CPU_PROVIDER gives the same maps for padded images, whatever their shape."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from selcon_ros.backends.base import Backend
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.onnxruntime_graph import CPU_PROVIDER, OnnxRuntimeGraph
from selcon_ros.core.grounding.bundle import Bundle, Normalisation
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.outputs.heatmap_agreement import agreement
from selcon_ros.engines.prepared_graph import Preparation
from selcon_ros.engines.repository import source_digest
from support.engines import bundle_of, colours, picture

SHAPES = [(480, 640), (640, 480), (80, 800), (800, 80), (1, 1), (1, 200), (200, 1)]
LIBRARIES = ["torch", "torch that prepares images", "the engines' graph", "the engines' graph in fp16"]


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle_of(colours(), tmp_path_factory.mktemp("bundle") / "padded", fit="pad")


@pytest.fixture(scope="module", params=LIBRARIES)
def backend(request: pytest.FixtureRequest, padded: Bundle) -> Backend:
    manifest = padded.manifest
    precision = "fp16" if "fp16" in request.param else "fp32"
    graph = Preparation(padded, precision).result.model
    if "engines" in request.param:
        return OnnxRuntimeGraph(manifest, graph, CPU_PROVIDER, "it")
    torch_backend = pytest.importorskip("selcon_ros.backends.torch")
    pytest.importorskip("torch", reason="needs torch: pip install torch")
    return torch_backend.TorchBackend(  # type: ignore[no-any-return]
        graph if "prepares" in request.param else padded.model, "it", manifest, "cpu"
    )


@pytest.mark.parametrize("size", SHAPES)
def test_maps_are_those_of_onnx_runtime(padded: Bundle, backend: Backend, size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(64, 256, (2, *size, 3), np.uint8)
    for found, wanted in zip(backend.run(frames), open_on_cpu(padded).run(frames), strict=True):
        assert found is not None and wanted is not None
        np.testing.assert_allclose(found, wanted, atol=0.03)


def test_heatmaps_and_grasp_points_agree(padded: Bundle, backend: Backend) -> None:
    pictures = [picture(seed, size) for seed, size in enumerate([(120, 160), (160, 120), (60, 480)])]
    exact = Grounder(padded, open_on_cpu(padded))
    found = agreement(exact, Grounder(padded, backend), pictures)
    assert found.kld_max < 0.01 and found.changed == 0 and found.shift_p95 < 3, found


def test_engines_are_found_again_for_their_own_fit_and_normalisation_alone(padded: Bundle) -> None:
    changes = [{}, {"fit": "stretch"}, {"fit": "stretch", "normalisation": Normalisation((0.5,) * 3)}]
    bundles = [replace(padded, manifest=replace(padded.manifest, **change)) for change in changes]
    assert len({*map(source_digest, bundles)}) == 3
    # As it has been: engines built before are found.
    assert source_digest(bundles[1]) == sha256(padded.model).hexdigest()
