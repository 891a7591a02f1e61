"""The graph with preprocessing in it gives what `core.grounding.preprocess` and the bundle's graph give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.onnxruntime_graph import CPU_PROVIDER, OnnxRuntimeGraph
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.manifest import Normalisation
from selcon_ros.core.grounding.preprocess import graph_inputs, interpolation, preprocess
from selcon_ros.engines.bundle_graph import open_batch, read_graph
from selcon_ros.engines.preprocess_graph import with_frames
from support.engines import SIZE, bundle_of, colours, manifest, picture

# The network's input in levels of the picture, 0..255.
LEVELS = replace(manifest(), normalisation=Normalisation((0.0,) * 3, (1 / 255,) * 3))
PADDED = replace(LEVELS, fit="pad")
SIDES = st.one_of(st.integers(1, 40), st.integers(41, 1000))


def model_of(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 18]>\n{text}')


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=[CPU_PROVIDER])


@pytest.fixture(scope="module")
def resizing() -> onnxruntime.InferenceSession:
    """A graph that gives its input back, for images of any size."""
    shape = f"float[n,3,{SIZE[0]},{SIZE[1]}]"
    model = model_of(f"g ({shape} image) => ({shape} cam) {{ cam = Identity (image) }}")
    return session_of(with_frames(model, LEVELS))


def noise(height: int, width: int, seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


@given(height=SIDES, width=SIDES, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_graph_resizes_as_the_cpu_does(
    resizing: onnxruntime.InferenceSession, height: int, width: int, seed: int
) -> None:
    image = noise(height, width, seed)
    (given,) = resizing.run(None, graph_inputs(image, LEVELS))
    assert np.abs(given - preprocess(image[0], LEVELS)).max() < 1.01


@given(height=SIDES, width=SIDES, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_graph_pads_as_the_cpu_does(
    resizing: onnxruntime.InferenceSession, height: int, width: int, seed: int
) -> None:
    image = noise(height, width, seed) | 64  # nothing of the image is black
    (given,) = resizing.run(None, graph_inputs(image, PADDED))
    wanted = preprocess(image[0], PADDED)
    assert np.abs(given - wanted).max() < 1.01
    np.testing.assert_array_equal(given == 0, wanted == 0)


@pytest.mark.parametrize("size", [(480, 640), (100, 150), (30, 20)])
def test_it_rounds_as_the_cpu_does(resizing: onnxruntime.InferenceSession, size: tuple[int, int]) -> None:
    image = noise(*size, 0)
    (given,) = resizing.run(None, graph_inputs(image, LEVELS))
    off = given - preprocess(image[0], LEVELS)
    # OpenCV computes with 11 bits of the weights.
    assert np.abs(off.mean()) < 0.2 and (np.abs(off) > 0.5).mean() < 0.2


@given(height=SIDES, width=SIDES)
@settings(max_examples=60, deadline=None)
def test_interpolation_weighs_to_nothing_around_a_padded_image(height: int, width: int) -> None:
    pixels = PADDED.canvas.place((height, width)).pixels
    for weights, where in zip(interpolation((height, width), SIZE, pixels), pixels.slices, strict=True):
        inside = np.zeros(len(weights))
        inside[where] = 1
        np.testing.assert_allclose(weights.sum(axis=1), inside, atol=1e-5)


@given(height=SIDES, width=SIDES)
@settings(max_examples=60, deadline=None)
def test_interpolation_weighs_to_one(height: int, width: int) -> None:
    rows, columns = interpolation((height, width), SIZE)
    assert rows.shape == (SIZE[0], height) and columns.shape == (SIZE[1], width)
    for weights in (rows, columns):
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_an_image_of_the_network_s_size_stays_as_it_is(resizing: onnxruntime.InferenceSession) -> None:
    image = noise(*SIZE, 0)
    (given,) = resizing.run(None, graph_inputs(image, LEVELS))
    np.testing.assert_array_equal(given[0].transpose(1, 2, 0).round(), image[0])


def test_images_larger_than_the_camera_are_shrunk_before() -> None:
    inputs = graph_inputs(noise(200, 300, 0, 2), LEVELS, largest=(200, 299))
    assert inputs["frames"].shape == (2, *SIZE, 3)
    assert graph_inputs(noise(200, 299, 0), LEVELS, largest=(200, 299))["frames"].shape == (1, 200, 299, 3)


def test_padded_images_that_are_shrunk_before_come_out_as_any(
    resizing: onnxruntime.InferenceSession,
) -> None:
    image = noise(300, 200, 0)
    inputs = graph_inputs(image, PADDED, largest=(299, 400))
    assert inputs["frames"].shape == (1, *SIZE, 3)
    (given,) = resizing.run(None, inputs)
    np.testing.assert_allclose(given, preprocess(image[0], PADDED), atol=1e-3)


def test_several_images_are_each_answered_as_alone(tmp_path: Path) -> None:
    bundle = bundle_of(colours(), tmp_path / "tiny")
    model = with_frames(read_graph(bundle.model, "it"), bundle.manifest)
    graph = OnnxRuntimeGraph(bundle.manifest, model.SerializeToString(), CPU_PROVIDER, "it")
    images = np.stack([picture(seed) for seed in range(3)])
    exact = open_on_cpu(bundle)
    for several, alone in zip(graph.run(images), exact.run(images), strict=True):
        assert several.shape == (3, 3, 4, 6)
        np.testing.assert_allclose(several, alone, atol=0.05)


def test_open_and_fixed_batches_are_told_apart() -> None:
    assert open_batch(colours("n"))
    fixed = colours(1)
    assert not open_batch(fixed)
    shape = with_frames(fixed, manifest()).graph.input[0].type.tensor_type.shape
    assert shape.dim[0].dim_value == 1 and shape.dim[1].dim_param == "H"


@pytest.mark.parametrize("inputs", ["float[1,3,64,96] picture", "float[1,3,64,96] image, float[1] gain", ""])
def test_other_inputs_are_refused(inputs: str) -> None:
    first = inputs.split()[1].strip(",") if inputs else "two"
    body = f"<float two = {{2.0}}> {{ cam = Abs ({first}) }}"
    model = model_of(f"g ({inputs}) => (float[1,3,64,96] cam) {body}")
    for refuse in (lambda: open_batch(model), lambda: with_frames(model, manifest())):
        with pytest.raises(BackendError, match=r"inputs must be \['image'\], got"):
            refuse()


@pytest.mark.parametrize("content", [b"", b"\x00garbage" * 100, colours().SerializeToString()[:1000]])
def test_what_is_no_graph_is_named(content: bytes) -> None:
    with pytest.raises(BackendError, match="model.onnx of bundle x is not a readable ONNX graph") as caught:
        read_graph(content, "model.onnx of bundle x")
    assert "\n" not in str(caught.value)


def test_weights_in_other_files_are_refused() -> None:
    model = colours()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "weights"
    with pytest.raises(BackendError, match="keeps weights in other files|is not a readable ONNX graph"):
        read_graph(model.SerializeToString(), "model.onnx")


def test_nodes_without_names_get_some() -> None:
    names = [node.name for node in read_graph(colours().SerializeToString(), "it").graph.node]
    assert all(names) and len(set(names)) == len(names)
