"""The network of the paper's size, which no test can run on a GPU here, is built ahead for two of them."""

import gc

import onnx
import pytest

from benchmarks.paper_size import INPUT_SIZE, paper_size_bundle
from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from selcon_ros.engines.build import Shapes, build_engine
from selcon_ros.engines.bundle_graph import graph_of
from selcon_ros.engines.fp16 import to_fp16
from selcon_ros.engines.preprocess_graph import with_frames
from support.engines import layer_types

pytest.importorskip("torch", reason="exporting the network needs torch: pip install '.[train]'")
pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX: pip install tensorrt-rtx-cu13")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(paper_size_bundle(tmp_path_factory.mktemp("bundle") / "paper"), roles=("model",))


@pytest.mark.long
def test_is_built_in_half_precision(bundle: Bundle) -> None:
    half, kept = to_fp16(with_frames(graph_of(bundle), bundle.manifest), [])
    assert kept == ()
    onnx.checker.check_model(half)
    graph = half.SerializeToString()
    del half
    gc.collect()
    types = layer_types(graph, bundle.manifest)
    assert types["MATRIX_MULTIPLY"] | types["CONVOLUTION"] == {"HALF"}
    assert types["SOFTMAX"] == types["NORMALIZATION"] == {"FLOAT"}
    rtx = LIBRARIES["tensorrt_rtx"]
    shares: list[float] = []
    shapes = Shapes(INPUT_SIZE, (1, 1, 4), (1080, 1920))
    built = build_engine(rtx, graph, shapes, ("8.6", "12.0"), lambda phase, share: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1
    # Weights at 2 bytes each, and little else.
    assert 0.4 < len(built.engine) / len(bundle.model) < 0.8
    assert built.layers["half"] > built.layers["float"] > 0
