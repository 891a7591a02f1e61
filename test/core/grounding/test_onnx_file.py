from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounding import onnx_file
from selcon_ros.core.grounding.bundle import default_bundle_path
from selcon_ros.core.grounding.onnx_file import check_onnx
from support.bundles import colour_model


def weight(name: str = "w", external: bool = False) -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(3, np.float32), name)
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "weights.bin"
    return tensor


def model(nodes: list[onnx.NodeProto], weights: list[TensorProto] | None = None) -> ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights or [])
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def relu(**attributes: object) -> onnx.NodeProto:
    node = helper.make_node("Relu", ["x"], ["y"])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return node


def inner_graph() -> onnx.GraphProto:
    return helper.make_graph([relu()], "inner", [], [], [weight(external=True)])


def sparse() -> ModelProto:
    made = model([relu()])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(weight(external=True), weight("i"), [9]))
    return made


def in_a_function() -> ModelProto:
    made = model([helper.make_node("mine", ["x"], ["y"], domain="own")])
    constant = helper.make_node("Constant", [], ["w"], value=weight(external=True))
    opsets = [helper.make_opsetid("", 18)]
    made.functions.append(helper.make_function("own", "mine", ["x"], ["w"], [constant], opsets))
    return made


def by_entries_alone() -> ModelProto:
    """Names another file but not that its weights are there: libraries differ in what they make of it."""
    tensor = weight(external=True)
    tensor.ClearField("data_location")
    return model([relu()], [tensor])


def test_our_own_graphs_pass() -> None:
    check_onnx((default_bundle_path() / "model.onnx").read_bytes(), "model.onnx", BundleError)
    check_onnx(colour_model((32, 32), np.zeros(3), np.ones(3)), "model.onnx", BundleError)


@pytest.mark.parametrize(
    "make",
    [
        lambda: model([relu()], [weight(external=True)]),
        lambda: model([relu(t=weight(external=True))]),
        lambda: model([relu(t=[weight("a"), weight("w", external=True)])]),
        lambda: model([relu(g=inner_graph())]),
        lambda: model([relu(g=[inner_graph()])]),
        sparse,
        in_a_function,
        by_entries_alone,
    ],
)
def test_weights_in_other_files_are_found_wherever_they_stand(make: Callable[[], ModelProto]) -> None:
    says = "^model.onnx keeps the weight 'w' in another file: export it with all weights inside$"
    with pytest.raises(BundleError, match=says):
        check_onnx(make().SerializeToString(), "model.onnx", BundleError)


def test_operators_of_others_are_named_and_those_it_defines_are_not() -> None:
    foreign = helper.make_node("deform", ["x"], ["y"], domain="mine")
    with pytest.raises(BundleError, match=r"has operators that are not ONNX's: mine.deform; export it"):
        check_onnx(model([foreign]).SerializeToString(), "model.onnx", BundleError)
    defined = model([foreign])
    opsets = [helper.make_opsetid("", 18)]
    defined.functions.append(helper.make_function("mine", "deform", ["x"], ["y"], [relu()], opsets))
    check_onnx(defined.SerializeToString(), "model.onnx", BundleError)


@pytest.mark.parametrize("content", [b"no graph at all", b"\x3a\x05ab", b"\x08", b"\x3a\xff" + b"\xff" * 20])
def test_what_is_no_onnx_file(content: bytes) -> None:
    with pytest.raises(BundleError, match="model.onnx is no ONNX file, or it is damaged"):
        check_onnx(content, "model.onnx", BundleError)


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MAX_FIELDS", 100)
    check_onnx(b"\x08\x01" * 100, "model.onnx", BundleError)
    with pytest.raises(BundleError, match="has over 100 entries"):
        check_onnx(b"\x08\x01" * 101, "model.onnx", BundleError)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda inner: b"\x3a\x64" + inner.ljust(100)))
def test_whatever_the_bytes_only_the_fault_comes_out(content: bytes) -> None:
    try:
        check_onnx(content, "model.onnx", BundleError)
    except BundleError as error:
        assert "\n" not in str(error)
