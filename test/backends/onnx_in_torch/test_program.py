import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from selcon_ros.backends.onnx_in_torch.program import Program, reference
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
from selcon_training.export.bundle import export_graph
from selcon_training.models.test_time_averaging import Averaging
from support.nets import clip_model, shallow, small_net, tokenizer
from support.onnx_graphs import assert_alike, in_torch, model_of

from selcon_training.encoders import DenseClip, PartEncoder  # isort: skip
from selcon_training.models.selcon_net import SelconNet  # isort: skip

node = helper.make_node


def of_a_later_dino(name: str) -> bytes:
    size = (112, 112)
    torch.manual_seed(0)
    clip = DenseClip(clip_model(), size, tokenizer=tokenizer())
    return export_graph(SelconNet(clip, PartEncoder(shallow(name), size), ["hold", "pour"]).eval())


GRAPHS = {
    "the packaged model": lambda: load_bundle(default_bundle_path()).model,
    "both branches": lambda: export_graph(small_net()),
    "a timm tower, and what encoders see": lambda: export_graph(
        small_net(timm_tower=True), intermediates=True
    ),
    "averaged over flips and scales": lambda: export_graph(
        small_net(), averaging=Averaging(flip=True, scales=(1.0, 0.75))
    ),
    "DINOv2": lambda: of_a_later_dino("vit_small_patch14_reg4_dinov2"),
    "DINOv3": lambda: of_a_later_dino("vit_small_patch16_dinov3"),
}


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", GRAPHS)
def test_networks_are_what_they_are_in_onnx_runtime_and_in_double_precision(name: str) -> None:
    model = GRAPHS[name]()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    shape = [2, *session.get_inputs()[0].shape[1:]]  # any number of images
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    names = [each.name for each in session.get_outputs()]
    found, exact = in_torch(model, {"image": image}), reference(model, {"image": image})
    for name, wanted in zip(names, session.run(names, {"image": image}), strict=True):
        assert found[name].dtype == np.float32 and exact[name].dtype == np.float64
        assert relative(found[name], wanted) < 1e-5
        # Not the numbers of an engine: both engines are off by single precision's rounding.
        assert 1e-9 < relative(wanted, exact[name]) < 1e-5
        assert 1e-9 < relative(found[name], exact[name]) < 1e-5


def test_shapes_are_computed_once_and_on_the_cpu() -> None:
    """Where the number of images is open, shapes are computed from it: no step of a plan is left of that."""
    x = {"x": np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)}
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Range", ["zero", "n", "one"], ["numbers"]),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Concat", ["n1", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["folded"]),
        node("Cast", ["numbers"], ["weights"], to=TensorProto.FLOAT),
        node("Reshape", ["weights", "column"], ["weighted"]),
        node("Mul", ["folded", "weighted"], ["y"]),
    ]
    constants = {
        "zero": np.array(0),
        "one": np.array(1),
        "axis": np.array([0]),
        "rest": np.array([3, 2]),
        "column": np.array([-1, 1, 1]),
    }
    outputs = ("y", "numbers")
    assert_alike(nodes, x, constants, outputs=outputs)
    program = Program(model_of(nodes, x, constants, outputs, opened=True), "the graph")
    for count in (2, 5):
        plan = program.plan({"x": torch.ones(count, 6)})
        assert [step.node.operator for step in plan._steps] == ["Reshape", "Mul"]
        assert plan.run({"x": torch.ones(count, 6)})["y"][:, 0, 0].tolist() == list(range(count))


def test_what_is_not_asked_for_is_not_computed() -> None:
    x = {"x": np.ones((2, 2), np.float32)}
    model = model_of([node("Relu", ["x"], ["y"]), node("Erf", ["x"], ["z"])], x, outputs=("y", "z"))
    plan = Program(model, "the graph", wanted=["y"]).plan({"x": torch.ones(2, 2)})
    assert [step.node.operator for step in plan._steps] == ["Relu"]
    with pytest.raises(BackendError, match=r"the graph: it lacks the outputs \['cam'\], it has \['y', 'z'\]"):
        Program(model, "the graph", wanted=["cam"])


def test_values_go_when_they_are_used_for_the_last_time() -> None:
    chain = [node("Relu", [f"v{index}"], [f"v{index + 1}"]) for index in range(5)]
    model = model_of(chain, {"v0": np.ones(3, np.float32)}, outputs=("v2", "v5"))
    plan = Program(model, "the graph").plan({"v0": torch.ones(3)})
    assert [step.last for step in plan._steps] == [("v0",), ("v1",), (), ("v3",), ("v4",)]
    values = {"v0": torch.ones(3)}
    for step in plan._steps:
        step.run(values)
    assert {*values} == {"v2", "v5"}


def test_nodes_may_come_in_any_order() -> None:
    x = {"x": np.ones((2, 2), np.float32)}
    nodes = [node("Relu", ["b"], ["y"]), node("Neg", ["x"], ["a"]), node("Erf", ["a"], ["b"])]
    assert_alike(nodes, x)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Relu", ["a"], ["y"], name="last")], "nothing gives 'a', which node 'last' takes"),
        ([node("Relu", ["x"], ["z"])], "nothing gives 'y', which an output takes"),
        ([node("Relu", ["y"], ["z"]), node("Erf", ["z"], ["y"])], "takes what is computed from it"),
        ([node("Hardmax", ["x"], ["y"], name="odd")], "node 'odd' is of operator Hardmax, .* ONNX Runtime"),
        ([node("Relu", ["x"], ["y"], domain="com.microsoft")], r"operator com\.microsoft\.Relu"),
        ([node("MatMul", ["x", "x"], ["y"])], r"node 'y' \(MatMul\) fails in torch: "),
        ([node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Reshape", ["x", "i"], ["y"])],
         r"node 'y' \(Reshape\) computes a shape, 'i', from what is in the image"),
    ],
)  # fmt: skip
def test_bad_graphs(nodes: list[onnx.NodeProto], message: str) -> None:
    x = {"x": np.ones(2, np.float32)} if "Cast" in str(nodes) else {"x": np.ones((2, 3), np.float32)}
    with pytest.raises(BackendError, match=f"^the graph.*{message}") as caught:
        in_torch(model_of(nodes, x), x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": torch.ones(2, 4)}, r"input 'x' is torch.float32 \(2, 4\), it must be torch.float32 \(2, 3\)"),
        ({"x": torch.ones(2, 3).double()}, r"input 'x' is torch.float64"),
        ({"z": torch.ones(2, 3)}, r"its inputs are \['x'\], got \['z'\]"),
    ],
)
def test_other_inputs_are_refused(inputs: dict[str, torch.Tensor], message: str) -> None:
    program = Program(model_of([node("Relu", ["x"], ["y"])], {"x": np.ones((2, 3), np.float32)}), "the graph")
    with pytest.raises(BackendError, match=message):
        program.plan(inputs)
    program.plan({"x": torch.ones(2, 3)})


def test_the_reference_is_double_precision_throughout() -> None:
    """A graph may cast to other floating point types on its way: they are all double."""
    x = {"x": np.array([1 / 3, 1e-3], np.float32)}
    nodes = [
        node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        node("Mul", ["half", "c"], ["product"]),
        node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    constant = np.array([0.1, 3], np.float16)
    found = reference(model_of(nodes, x, {"c": constant}), x)["y"]
    np.testing.assert_array_equal(found, x["x"].astype(np.float64) * constant.astype(np.float64))
