"""What every backend of the CPU does with a bundle: it runs it, or says what is wrong with it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from selcon_ros.backends.base import Backend
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.openvino import OpenVinoBackend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError, ImageError
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from support.bundles import colour_bundle, colour_manifest
from support.made_graphs import FRAMES, IMAGE, MAPS, bundle_of, graph
from support.openvino import needs_openvino

Open = Callable[[Bundle], Backend]


def in_openvino(bundle: Bundle) -> Backend:
    return OpenVinoBackend(bundle, "fp32", CpuOptions())


@pytest.fixture(params=[open_on_cpu, pytest.param(in_openvino, marks=needs_openvino)])
def open_it(request: pytest.FixtureRequest) -> Open:
    opening: Open = request.param
    return opening


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(colour_bundle(tmp_path / "colours"))


def test_open_dimensions_fit(open_it: Open, tmp_path: Path) -> None:
    maps = {"cam": ["n", 3, "y", "x"], "affinity": ["n", "c", "y", "x"]}
    model = graph({"image": ["n", 3, "h", "w"]}, maps)
    backend = open_it(bundle_of(tmp_path, model))
    white = np.mean((1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]))
    cam, _ = backend.run(np.full((1, 288, 384, 3), 255, np.uint8))
    assert cam[0, 0, 0, 0] == pytest.approx(white, rel=1e-3)


def test_further_outputs_are_not_minded(open_it: Open, tmp_path: Path) -> None:
    open_it(bundle_of(tmp_path, graph(IMAGE, MAPS | {"keys": [1, 3, 18, 24]})))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "cannot be opened"),
        (b"\x00garbage" * 100, "cannot be opened"),
        (graph({"picture": [1, 3, 288, 384]}, MAPS), r"inputs must be \['image'\], got \['picture'\]"),
        (graph(IMAGE, {"cam": [1, 3, 18, 24], "map": [1, 3, 18, 24]}), r"lacks the outputs \['affinity'\]"),
        (graph({"image": [1, 3, 224, 224]}, MAPS), r"'image' is \[1, 3, 224, 224\], the manifest says"),
        (graph({"image": [1, 3, 288]}, MAPS), "'image' is"),
        (graph(IMAGE, MAPS, TensorProto.DOUBLE), r"'image' is tensor\((double|f64)\)"),
    ],
)
def test_a_wrong_model_is_named_when_opened(
    open_it: Open, tmp_path: Path, model: bytes | onnx.ModelProto, message: str
) -> None:
    with pytest.raises(BackendError, match=message) as caught:
        open_it(bundle_of(tmp_path, model))
    assert str(tmp_path / "made") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_model_is_refused(open_it: Open, tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(BackendError, match="cannot be opened"):
        open_it(bundle_of(tmp_path, bundle.model[: len(bundle.model) // 2]))


def test_maps_of_another_size_than_the_manifest_says(open_it: Open, tmp_path: Path) -> None:
    manifest = replace(colour_manifest(), map_grid=(14, 14))
    with pytest.raises(BackendError, match=r"'cam' is .1, 3, 18, 24.,.* .1, 3, 14, 14."):
        open_it(bundle_of(tmp_path, graph(IMAGE, MAPS), manifest))


def test_open_dimensions_are_checked_by_running(open_it: Open, tmp_path: Path) -> None:
    manifest = replace(colour_manifest(), actions=("hold", "pour"), confidence=None)
    model = graph(IMAGE, {name: ["n", "c", "h", "w"] for name in MAPS})
    with pytest.raises(BackendError, match=r"'cam' is \(1, 3, 18, 24\).* ask for \(1, 2, 18, 24\)"):
        open_it(bundle_of(tmp_path, model, manifest))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (FRAMES[0], r"shape \(480, 640, 3\)"),
        (FRAMES[:0], r"shape \(0, 480, 640, 3\)"),
        (FRAMES[..., :1], r"shape \(1, 480, 640, 1\)"),
        (FRAMES.astype(np.float32), "of type float32"),
    ],
)
def test_wrong_images_are_refused_and_the_next_ones_run(
    open_it: Open, bundle: Bundle, frames: np.ndarray, message: str
) -> None:
    backend = open_it(bundle)
    with pytest.raises(ImageError, match=message):
        backend.run(frames)
    backend.run(FRAMES)


def test_several_images_are_answered_one_by_one(open_it: Open, bundle: Bundle) -> None:
    backend = open_it(bundle)
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), np.uint8)
    together = backend.run(frames)
    for number, frame in enumerate(frames):
        for several, alone in zip(together, backend.run(frame[None]), strict=True):
            np.testing.assert_array_equal(several[number], alone[0])


def test_another_thread_may_run_it(open_it: Open, bundle: Bundle) -> None:
    """The node opens the model in one thread and runs it in its worker."""
    backend = open_it(bundle)
    maps = []
    worker = threading.Thread(target=lambda: maps.append(backend.run(FRAMES)))
    worker.start()
    worker.join()
    assert maps[0][0].shape == (1, 3, 18, 24)


def test_opening_leaves_the_thread_s_arithmetic_alone(open_it: Open, bundle: Bundle) -> None:
    """Engines can switch denormal numbers off for the whole thread: numpy would then round them to 0."""
    open_it(bundle)
    assert np.float32(1e-40) * np.float32(0.5) > 0
