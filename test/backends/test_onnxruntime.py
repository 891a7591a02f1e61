import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from selcon_ros.backends.onnxruntime import open_on_cpu, thread_count
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.bundle import Bundle, Manifest, load_bundle, write_bundle
from selcon_ros.core.errors import BackendError, ImageError
from support.bundles import colour_bundle, colour_manifest


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(colour_bundle(tmp_path / "colours"))


def test_an_open_model_does_not_keep_its_file(bundle: Bundle) -> None:
    before = sys.getrefcount(bundle.files["model"])
    backend = open_on_cpu(bundle)
    after = sys.getrefcount(bundle.files["model"])
    assert after == before
    assert np.isfinite(backend.run(FRAMES)[0]).all()


def bundle_of(folder: Path, model: bytes | onnx.ModelProto, manifest: Manifest | None = None) -> Bundle:
    """As loaded, but for what `load_bundle` itself refuses of a graph: backends do so too."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    path = folder / "made"
    written = write_bundle(path, manifest or colour_manifest(), {"model": content})
    return Bundle(written, {"model": content}, path)


def graph(
    inputs: dict[str, list[int | str]], outputs: dict[str, list[int | str]], kind: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """Return a model whose outputs are all the image's mean, [1, 3, 18, 24].

    The engine cannot tell that shape without running it: 0 times the mean is added to it.
    """
    image = next(iter(inputs))
    nodes = [
        helper.make_node("ReduceMean", [image], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        helper.make_node("Cast", ["zero"], ["none"], to=TensorProto.INT64),
        helper.make_node("Add", ["shape", "none"], ["size"]),
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 3, 18, 24])
    nodes += [helper.make_node("Expand", ["mean", "size"], [name]) for name in outputs]
    made = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [shape],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


IMAGE: dict[str, list[int | str]] = {"image": [1, 3, 288, 384]}
FRAMES = np.zeros((1, 480, 640, 3), np.uint8)
MAPS: dict[str, list[int | str]] = {"cam": [1, 3, 18, 24], "affinity": [1, 3, 18, 24]}


def test_runs_the_model(bundle: Bundle) -> None:
    backend = open_on_cpu(bundle, CpuOptions(1))
    assert backend.name.startswith("ONNX Runtime 1.") and "CPU" in backend.name
    cam, affinity = backend.run(FRAMES)
    assert cam.shape == affinity.shape == (1, 3, 18, 24)
    assert cam.dtype == affinity.dtype == np.float32


def test_open_dimensions_fit(tmp_path: Path) -> None:
    maps = {"cam": ["n", 3, "y", "x"], "affinity": ["n", "c", "y", "x"]}
    model = graph({"image": ["n", 3, "h", "w"]}, maps)
    backend = open_on_cpu(bundle_of(tmp_path, model))
    white = np.mean((1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]))
    cam, _ = backend.run(np.full((1, 288, 384, 3), 255, np.uint8))
    assert cam[0, 0, 0, 0] == pytest.approx(white, rel=1e-3)


def test_further_outputs_are_not_minded(tmp_path: Path) -> None:
    open_on_cpu(bundle_of(tmp_path, graph(IMAGE, MAPS | {"keys": [1, 3, 18, 24]})))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "cannot be opened"),
        (b"\x00garbage" * 100, "cannot be opened"),
        (graph({"picture": [1, 3, 288, 384]}, MAPS), r"inputs must be \['image'\], got \['picture'\]"),
        (graph(IMAGE, {"cam": [1, 3, 18, 24], "map": [1, 3, 18, 24]}), r"lacks the outputs \['affinity'\]"),
        (graph({"image": [1, 3, 224, 224]}, MAPS), r"'image' is \[1, 3, 224, 224\], the manifest says"),
        (graph({"image": [1, 3, 288]}, MAPS), "'image' is"),
        (graph(IMAGE, MAPS, TensorProto.DOUBLE), r"'image' is tensor\(double\)"),
    ],
)
def test_a_wrong_model_is_named_when_opened(
    tmp_path: Path, model: bytes | onnx.ModelProto, message: str
) -> None:
    with pytest.raises(BackendError, match=message) as caught:
        open_on_cpu(bundle_of(tmp_path, model))
    assert str(tmp_path / "made") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_model_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(BackendError, match="cannot be opened"):
        open_on_cpu(bundle_of(tmp_path, bundle.model[: len(bundle.model) // 2]))


def test_maps_of_another_size_than_the_manifest_says(tmp_path: Path) -> None:
    manifest = replace(colour_manifest(), map_grid=(14, 14))
    with pytest.raises(BackendError, match=r"'cam' is \[1, 3, 18, 24\], the manifest says \[1, 3, 14, 14\]"):
        open_on_cpu(bundle_of(tmp_path, graph(IMAGE, MAPS), manifest))


def test_open_dimensions_are_checked_by_running(tmp_path: Path) -> None:
    manifest = replace(colour_manifest(), actions=("hold", "pour"), confidence=None)
    model = graph(IMAGE, {name: ["n", "c", "h", "w"] for name in MAPS})
    with pytest.raises(BackendError, match=r"'cam' is \(1, 3, 18, 24\).* ask for \(1, 2, 18, 24\)"):
        open_on_cpu(bundle_of(tmp_path, model, manifest))


def test_weights_outside_the_verified_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph can name a file for its weights, which no hash of the manifest covers."""
    model = graph(IMAGE, MAPS)
    weight = model.graph.initializer[0]
    (tmp_path / "weights").write_bytes(np.array([1, 3, 18, 24], np.int64).tobytes())
    weight.ClearField("int64_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights"), ("length", "32")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError, match="cannot be opened"):
        open_on_cpu(bundle_of(tmp_path, model))


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
    bundle: Bundle, frames: np.ndarray, message: str
) -> None:
    backend = open_on_cpu(bundle)
    with pytest.raises(ImageError, match=message):
        backend.run(frames)
    backend.run(FRAMES)


def test_several_images_are_answered_one_by_one(bundle: Bundle) -> None:
    backend = open_on_cpu(bundle)
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), np.uint8)
    together = backend.run(frames)
    for number, frame in enumerate(frames):
        for several, alone in zip(together, backend.run(frame[None]), strict=True):
            np.testing.assert_array_equal(several[number], alone[0])


def test_another_thread_may_run_it(bundle: Bundle) -> None:
    """The node opens the model in one thread and runs it in its worker."""
    backend = open_on_cpu(bundle)
    maps = []
    worker = threading.Thread(target=lambda: maps.append(backend.run(FRAMES)))
    worker.start()
    worker.join()
    assert maps[0][0].shape == (1, 3, 18, 24)


def test_opening_leaves_the_thread_s_arithmetic_alone(bundle: Bundle) -> None:
    """Engines can switch denormal numbers off for the whole thread: numpy would then round them to 0."""
    open_on_cpu(bundle)
    assert np.float32(1e-40) * np.float32(0.5) > 0


def test_threads_follow_the_process_s_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert thread_count(None) == 3
    assert thread_count(1) == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert thread_count(None) == 0
