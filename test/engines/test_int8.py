from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import load_with_samples
from selcon_ros.engines.build import Shapes, build_engine
from selcon_ros.engines.int8 import to_int8
from selcon_ros.engines.prepared_graph import Preparation
from selcon_ros.engines.preprocess_graph import NODE_PREFIX


@pytest.fixture(scope="module")
def preparation(vit: Path) -> Preparation:
    return Preparation(load_with_samples(vit), "int8")


def test_products_with_constants_are_int8_and_the_rest_fp16(preparation: Preparation) -> None:
    graph = onnx.load_from_string(preparation.result.model).graph
    of = {out: node for node in graph.node for out in node.output}
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    dequantised = 0
    for node in graph.node:
        if node.op_type not in ("MatMul", "Conv"):
            continue
        sources = [of.get(each) for each in node.input[:2]]
        if all(source is not None and source.op_type == "DequantizeLinear" for source in sources):
            dequantised += 1
            weights, scales = (constants[name] for name in sources[1].input[:2])
            assert weights.dtype == np.int8 and scales.dtype == np.float16
            assert scales.size == weights.shape[1]  # one for each output channel
            assert not constants[sources[1].input[2]].any()  # symmetric
        elif not node.name.startswith(NODE_PREFIX):
            # Convolutions, and products of two activations: attention.
            assert node.op_type == "Conv" or not set(node.input) & set(constants)
    assert dequantised >= 10


def test_it_answers_nearly_as_fp32_does(preparation: Preparation) -> None:
    found = preparation.check()
    assert found.images == 8 and 0 < found.kld_mean < 0.003


def test_the_engine_has_int8_layers(preparation: Preparation) -> None:
    pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX: pip install tensorrt-rtx-cu13")
    kind = LIBRARIES["tensorrt_rtx"]
    shapes = Shapes(preparation.bundle.manifest.input_size, (1, 1, 2), (480, 640))
    layers = build_engine(kind, preparation.result.model, shapes, ["8.6"], lambda phase, share: None).layers
    assert layers["int8"] >= 10 and layers["half"] > 30


def test_far_from_fp32_it_is_refused_with_the_layers_to_blame(preparation: Preparation) -> None:
    with pytest.raises(
        BackendError, match=r"the int8 graph of bundle .* Layers to blame: /net/\S+ \(\w+\): \S+ off"
    ):
        preparation.check(tolerance=1e-6)


def test_a_graph_without_such_products_is_refused() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["image"], ["cam"], "relu")],
        "none",
        [value("image", TensorProto.FLOAT, [1, 3])],
        [value("cam", TensorProto.FLOAT, [1, 3])],
    )
    with pytest.raises(BackendError, match="no products with constant matrices"):
        to_int8(helper.make_model(graph), [{"image": np.zeros((1, 3), np.float32)}])


def test_other_precisions_are_refused(preparation: Preparation) -> None:
    with pytest.raises(BackendError, match="unknown precision 'int4': choose one of fp16, fp32, int8"):
        Preparation(preparation.bundle, "int4")
