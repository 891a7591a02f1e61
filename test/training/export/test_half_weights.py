"""Weights kept in half precision: every engine reads them, and computes in single."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from selcon_ros.backends.onnx_in_torch.program import Program
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.engines.bundle_graph import read_graph
from selcon_ros.engines.prepared_graph import Preparation
from selcon_training.errors import ExportError
from selcon_training.export.half_weights import in_half_weights, stored_alike, with_half_weights
from selcon_training.export.onnx_trace import trace_graph
from selcon_training.export.quantization import int8_graph


@pytest.fixture(scope="module")
def single(vit):
    return load_bundle(vit)


@pytest.fixture(scope="module")
def halved(single):
    return with_half_weights(onnx.load_from_string(single.model)).SerializeToString()


def ran(model, image):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["cam"], {"image": image})[0]


def test_the_file_is_half_as_large_and_computes_in_single(single, halved):
    assert len(halved) < 0.6 * len(single.model)
    image = np.random.default_rng(0).standard_normal((1, 3, *single.manifest.input_size)).astype(np.float32)
    exact, given = ran(single.model, image), ran(halved, image)
    assert 0 < np.abs(given - exact).max() < 1e-2 * exact.max()
    program = Program(halved, "it")
    inputs = {"image": torch.from_numpy(image)}
    assert not program.half
    np.testing.assert_allclose(program.plan(inputs).run(inputs)["cam"].numpy(), given, atol=1e-5)


def test_engines_get_the_weights_in_single(halved):
    graph = read_graph(halved, "it").graph
    before = onnx.load_from_string(halved).graph
    assert not any(each.data_type == TensorProto.FLOAT16 for each in graph.initializer)
    assert len(graph.node) < len(before.node) and len(graph.initializer) == len(before.initializer)
    onnx.checker.check_model(read_graph(halved, "it"), full_check=True)


def test_graphs_for_gpus_and_int8_are_made_of_it(single, halved, tmp_path):
    write_bundle(tmp_path / "half", single.manifest, single.files | {"model": halved})
    bundle = load_bundle(tmp_path / "half")
    ours, theirs = (Preparation(each, "fp16") for each in (bundle, single))
    assert ours.result.layers == theirs.result.layers and ours.result.kept == theirs.result.kept
    assert len(int8_graph(halved)) == pytest.approx(len(int8_graph(single.model)), rel=0.01)


def test_what_half_precision_cannot_hold_stays_in_single():
    weights = {"large": np.full((80, 80), 1e5), "small": np.ones((60, 60)), "usual": np.ones((80, 80))}
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in weights],
        "g",
        [],
        [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None) for name in weights],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    made = with_half_weights(helper.make_model(graph))
    halves = [each.name for each in made.graph.initializer if each.data_type == TensorProto.FLOAT16]
    assert halves == ["usual"]


def test_a_network_that_half_the_digits_change_is_refused():
    net = nn.Linear(64, 64, bias=False)
    nn.init.constant_(net.weight, 1e-9)  # zero in half precision
    inputs = {"image": torch.ones(1, 64)}
    graph = trace_graph(net, inputs, ["cam"])
    with pytest.raises(ExportError, match=r"fp16 the output 'cam' deviates by 1.00e\+00.*--weights fp32"):
        in_half_weights(graph, [inputs])


def test_a_changed_graph_is_stored_as_the_bundle_before_unless_that_is_too_coarse(single, halved, caplog):
    size = single.manifest.input_size
    assert stored_alike(single.model, single.model, size) == single.model
    assert stored_alike(single.model, halved, size) == halved and not caplog.records
    net = nn.Conv2d(3, 200, 3, bias=False)
    nn.init.constant_(net.weight, 1e-9)  # zero in half precision
    tiny = trace_graph(net, {"image": torch.ones(1, 3, *size)}, ["cam"])
    assert stored_alike(tiny, halved, size) == tiny
    assert "the weights stay in fp32" in caplog.text and "--weights" in caplog.text
