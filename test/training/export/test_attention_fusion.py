"""Self-attention as ONNX Runtime's own operator: the same values, and only where it is plain."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from selcon_ros.core.grounding.bundle import load_bundle
from selcon_training.export.attention_fusion import fused
from selcon_training.export.bundle import export_graph
from support import nets


def outputs(graph: bytes, size: tuple[int, int]) -> list[np.ndarray]:
    image = np.random.default_rng(0).standard_normal((1, 3, *size), dtype=np.float32)
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"image": image})


def same(graph: bytes, size: tuple[int, int]) -> Counter:
    """Check that the fused graph gives what the graph gives; return how many nodes of each kind it has."""
    done = fused(graph)
    for ours, theirs in zip(outputs(done.SerializeToString(), size), outputs(graph, size), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    return Counter(node.op_type for node in done.graph.node)


def test_both_blocks_are_fused(vit):
    bundle = load_bundle(vit)
    kinds = same(bundle.model, bundle.manifest.input_size)
    assert kinds["Attention"] == 2 and not kinds["Softmax"] and not kinds["Split"]


@pytest.mark.parametrize(("timm_tower", "blocks"), [(False, 2), (True, 5)])
def test_query_query_attention_stays(timm_tower, blocks):
    """Of the part encoder's three blocks the last is gone; CLIP's last attends from queries to queries."""
    kinds = same(export_graph(nets.small_net(timm_tower=timm_tower)), (64, 96))
    assert kinds["Attention"] == 2 + blocks and kinds["Softmax"] == 1


def scaled_otherwise(graph: onnx.GraphProto) -> None:
    """Another scale than one over the root of a head's width."""
    for node in graph.node:
        if node.op_type == "Mul" and "attn" in node.name:
            graph.initializer.append(numpy_helper.from_array(np.float32(0.3), f"{node.name}_scale"))
            node.input[1] = f"{node.name}_scale"


def keys_and_values_swapped(graph: onnx.GraphProto) -> None:
    """The product's last thirds are values and keys."""
    for node in graph.node:
        if node.op_type == "Split":
            node.output[1], node.output[2] = node.output[2], node.output[1]


@pytest.mark.parametrize("change", [scaled_otherwise, keys_and_values_swapped])
def test_other_attention_stays(vit, change):
    bundle = load_bundle(vit)
    model = onnx.load_from_string(bundle.model)
    change(model.graph)
    kinds = same(model.SerializeToString(), bundle.manifest.input_size)
    assert kinds["Softmax"] == 2 and not kinds["Attention"]
