"""What is fp16 and what stays fp32, and which layers are blamed."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import default_bundle_path, load_with_samples
from selcon_ros.core.grounding.preprocess import graph_inputs
from selcon_ros.engines.bundle_graph import read_graph
from selcon_ros.engines.fp16 import SENSITIVE_OPERATORS, emulate_fp16, to_fp16
from selcon_ros.engines.fp16_error import layers_by_added_error
from selcon_ros.engines.prepared_graph import Preparation
from selcon_ros.engines.preprocess_graph import NODE_PREFIX, with_frames
from support.engines import bundle_of, colours, manifest, picture

SHAPE = "float[n,3,64,96]"
SAMPLES = [graph_inputs(picture(seed)[None], manifest()) for seed in range(2)]


def graph(body: str, constants: str = "") -> onnx.ModelProto:
    """A graph from `image` to `cam`, of the same shape, with inputs for camera images."""
    head = '<ir_version: 10, opset_import: ["" : 18]>'
    # The names of layers are taken off: onnx reads them from 1.18 on.
    text = re.sub(r"\[\w+\]", "", body)
    model = onnx.parser.parse_model(f"{head} g ({SHAPE} image) => ({SHAPE} cam) <{constants}> {{{text}}}")
    for node, name in zip(model.graph.node, re.findall(r"\[(\w+)\]", body), strict=True):
        node.name = name
    return with_frames(read_graph(model.SerializeToString(), "it"), manifest())


def types(model: onnx.ModelProto) -> dict[str, set[int]]:
    """The types of the values that nodes give, by node name."""
    inferred = onnx.shape_inference.infer_shapes(model)
    known = {each.name: each.type.tensor_type.elem_type
             for each in (*inferred.graph.value_info, *inferred.graph.output)}  # fmt: skip
    return {node.name: {known.get(out, 0) for out in node.output} for node in model.graph.node}


def outputs(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run(["cam"], inputs)[0] for inputs in SAMPLES]


@pytest.fixture(scope="module")
def packaged() -> Preparation:
    return Preparation(load_with_samples(default_bundle_path()))


def test_products_are_half_and_what_is_sensitive_is_not(vit: Path) -> None:
    model = onnx.load_from_string(Preparation(load_with_samples(vit)).result.model)
    kinds = defaultdict(set)
    for name, found in types(model).items():
        node = next(each for each in model.graph.node if each.name == name)
        # Older converters name a conversion that they add after the layer before it.
        ours = name.startswith(NODE_PREFIX) and "_output_cast" not in name
        kinds["preprocess" if ours else node.op_type] |= found
    floats = {TensorProto.FLOAT}
    for operator in ("MatMul", "Gemm", "Conv"):
        assert kinds.pop(operator, {TensorProto.FLOAT16}) == {TensorProto.FLOAT16}, operator
    assert kinds["Softmax"] == kinds["LayerNormalization"] == floats
    assert all(kinds[operator] <= floats for operator in SENSITIVE_OPERATORS if operator != "Range")
    assert TensorProto.FLOAT16 not in kinds["preprocess"]


def test_inputs_and_outputs_keep_their_types(packaged: Preparation) -> None:
    given = onnx.load_from_string(packaged.result.model).graph
    kinds = {each.name: each.type.tensor_type.elem_type for each in (*given.input, *given.output)}
    assert kinds.pop("frames") == TensorProto.UINT8
    assert set(kinds) >= {"rows", "columns", "cam"} and set(kinds.values()) == {TensorProto.FLOAT}


def test_the_packaged_model_in_half_answers_as_in_single(packaged: Preparation) -> None:
    assert packaged.result.kept == ()
    assert packaged.check(tolerance=0.001).kld_mean < 0.001


def test_fp32_is_left_alone(packaged: Preparation) -> None:
    prepared = Preparation(packaged.bundle, "fp32").result
    assert set(prepared.layers) == {"float"}


def test_values_beyond_the_range_keep_their_layers_in_single() -> None:
    model = graph(
        "[up] high = Mul (image, large)  [down] low = Mul (high, small)  [after] cam = Add (low, one)",
        "float large = {1000000.0}, float small = {0.000001}, float one = {1.0}",
    )
    half, kept = to_fp16(model, SAMPLES)
    assert kept == ("up", "down")
    found = types(half)
    assert found["up"] == found["down"] == {TensorProto.FLOAT}
    assert TensorProto.FLOAT16 in found["after"]
    for exact, given in zip(outputs(model), outputs(half), strict=True):
        np.testing.assert_allclose(given, exact, atol=0.01)


def test_a_weight_beyond_the_range_keeps_its_value() -> None:
    model = graph(
        "[down] low = Mul (image, small)  [up] cam = Mul (low, large)",
        "float small = {0.000005}, float large = {200000.0}",
    )
    half, kept = to_fp16(model, SAMPLES)
    assert kept == ("up",)
    for exact, given in zip(outputs(model), outputs(half), strict=True):
        np.testing.assert_allclose(given, exact, atol=0.01)


def test_half_is_rounded_between_layers_too() -> None:
    """Which ONNX Runtime's CPU leaves out: it would show an error far smaller than the GPU's."""
    model = graph("[up] high = Add (image, large)  [down] cam = Sub (high, large)", "float large = {4000.0}")
    half, kept = to_fp16(model, SAMPLES)
    assert kept == ()
    for given in outputs(emulate_fp16(half)):
        # Numbers in fp16 between 2048 and 4096 are 2 apart.
        assert set(np.unique(given)) <= {-4.0, -2.0, 0.0, 2.0, 4.0}


def test_the_layer_that_overflows_is_blamed() -> None:
    model = graph(
        "[first] a = Mul (image, one)  [overflow] b = Mul (a, large)  [later] cam = Add (b, one)",
        "float large = {60000.0}, float one = {1.0}",
    )
    half, _ = to_fp16(model, [])
    # No sample showed the value: as when another picture has larger ones.
    assert layers_by_added_error(model, emulate_fp16(half), SAMPLES)[0].name == "overflow"


def test_the_layer_that_loses_digits_is_named_and_the_graph_refused(tmp_path: Path) -> None:
    model = colours()
    sigmoid = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    at = list(model.graph.node).index(sigmoid)
    for name, kind, given, out in (("lift", "Add", "logits", "lifted"), ("lose", "Sub", "lifted", "lost")):
        node = onnx.helper.make_node(kind, [given, "high"], [out], name)
        model.graph.node.insert(at, node)
        at += 1
    sigmoid.input[0] = "lost"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(8000, np.float32), "high"))
    bundle = bundle_of(model, tmp_path / "tiny")
    with pytest.raises(BackendError, match=r"than the tolerance 1e-05: .*\. Layers to blame: lose \(Sub\)"):
        Preparation(bundle).check(1e-5)
    assert Preparation(bundle, "fp32").check(1e-3).kld_mean < 1e-3


def test_a_graph_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    model = colours()
    bundle = bundle_of(model, tmp_path / "tiny")
    model.graph.node[0].domain = "nobody"
    model.opset_import.append(onnx.helper.make_opsetid("nobody", 1))
    bundle.files["model"] = model.SerializeToString()  # `load_bundle` would not let it pass
    with pytest.raises(BackendError, match="cannot be run layer by layer|cannot be converted"):
        Preparation(bundle)
