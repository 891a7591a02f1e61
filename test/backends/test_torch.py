import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from selcon_ros.backends.base import MAX_CACHED_SHAPES
from selcon_ros.backends.onnx_in_torch import devices
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.torch import TorchBackend
from selcon_ros.core.errors import BackendError, ImageError
from selcon_ros.core.grounding.bundle import Bundle, default_bundle_path, load_bundle, write_bundle
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import interpolation, preprocess
from support.bundles import colour_bundle, colour_manifest
from support.onnx_graphs import in_onnxruntime, pictures, relative, taking_frames, to_fp16

PACKAGED = load_bundle(default_bundle_path(), roles=("model",))


def bundle_of(folder: Path, model: bytes, manifest: Manifest | None = None) -> Bundle:
    """As loaded, but for what `load_bundle` itself refuses of a graph: backends do so too."""
    path = folder / "made"
    written = write_bundle(path, manifest or colour_manifest(), {"model": model})
    return Bundle(written, {"model": model}, path)


def on_cpu(bundle: Bundle, threads: int | None = None) -> TorchBackend:
    """The bundle's own graph in torch on the CPU."""
    subject = f"{bundle.manifest.files['model'].path} of bundle {bundle.path}"
    return TorchBackend(bundle.model, subject, bundle.manifest, "cpu", threads)


@pytest.fixture
def colours(tmp_path: Path) -> Bundle:
    return load_bundle(colour_bundle(tmp_path / "colours"))


def test_the_packaged_model_gives_what_onnx_runtime_gives() -> None:
    frames = pictures()
    cam, affinity = on_cpu(PACKAGED).run(frames)
    manifest = PACKAGED.manifest
    assert affinity is None and cam.shape == (2, len(manifest.actions), *manifest.map_grid)
    assert cam.dtype == np.float32
    assert relative(cam, open_on_cpu(PACKAGED).run(frames)[0]) < 1e-4  # 50 convolutions, one after the other


def test_both_outputs_of_a_bundle(colours: Bundle) -> None:
    backend = on_cpu(colours, threads=1)
    assert backend.name.startswith("torch 2.") and backend.name.endswith("fp32)")
    assert torch.cuda.is_available() or "(CPU, fp32)" in backend.name
    frames = pictures(3)
    for found, wanted in zip(backend.run(frames), open_on_cpu(colours).run(frames), strict=True):
        assert found.shape == (3, 3, 18, 24)
        assert relative(found, wanted) < 1e-5


@pytest.mark.parametrize("count", [1, "N"])
def test_a_graph_that_prepares_images_itself(colours: Bundle, count: int | str) -> None:
    """Open for several images they are run at once, else one by one."""
    model = taking_frames(colours.model, colours.manifest, count).SerializeToString()
    backend = TorchBackend(model, "it", colours.manifest, "cpu")
    for size in ((480, 640), (100, 90)):
        frames = pictures(2, size)
        rows, columns = interpolation(size, colours.manifest.input_size)
        matrices = {"rows": rows, "columns": columns}
        each = [in_onnxruntime(model, {"frames": frame[None]} | matrices) for frame in frames]
        cam, affinity = backend.run(frames)
        assert affinity is not None
        assert relative(cam, np.concatenate([one["cam"] for one in each])) < 1e-5
        assert relative(affinity, np.concatenate([one["affinity"] for one in each])) < 1e-5


def test_a_graph_in_half_precision(vit: Path) -> None:
    """It is as far from the graph in single precision as ONNX Runtime is with it, and nearer to that."""
    bundle = load_bundle(vit)
    model = to_fp16(onnx.load_from_string(bundle.model))
    frames = pictures(1)
    image = {"image": preprocess(frames[0], bundle.manifest)}
    single, half = in_onnxruntime(bundle.model, image)["cam"], in_onnxruntime(model, image)["cam"]
    backend = TorchBackend(model, "it", bundle.manifest, "cpu")
    assert backend.name.endswith("(CPU, fp16)")
    cam, _ = backend.run(frames)
    assert 1e-5 < relative(half, single) < 2e-2
    assert relative(cam, single) < 2 * relative(half, single)


@pytest.mark.parametrize(
    "change", [lambda model: b"", lambda model: b"\x00garbage" * 100, lambda model: model[: len(model) // 2]]
)
def test_what_is_no_model_is_named_when_opened(
    tmp_path: Path, colours: Bundle, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(BackendError, match=r"cannot be opened by torch: ") as caught:
        on_cpu(bundle_of(tmp_path, change(colours.model)))
    assert str(tmp_path / "made") in str(caught.value) and "\n" not in str(caught.value)


def test_another_input_is_named_when_opened(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["picture"], ["cam"])
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("picture", "cam")]
    model = helper.make_model(
        helper.make_graph([node], "g", info[:1], info[1:]), opset_imports=[helper.make_opsetid("", 17)]
    )
    manifest = replace(colour_manifest(), calibration="none")
    with pytest.raises(BackendError, match=r"its inputs must be \['image'\] or .*, got \['picture'\]"):
        on_cpu(bundle_of(tmp_path, model.SerializeToString(), manifest))


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (replace(colour_manifest(), map_grid=(14, 14)), r"'cam' is float32 \(1, 3, 18, 24\), .*3, 14, 14\)"),
        (colour_manifest((144, 144)), r"input 'image' is .*3, 144, 144\), it must be .*3, 288, 384\)"),
    ],
)
def test_a_model_that_is_not_what_the_manifest_says(
    tmp_path: Path, colours: Bundle, manifest: Manifest, message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        on_cpu(bundle_of(tmp_path, colours.model, manifest))


def test_weights_outside_the_verified_file_are_refused(
    tmp_path: Path, colours: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_from_string(colours.model)
    weight = model.graph.initializer[0]
    (tmp_path / "weights").write_bytes(numpy_helper.to_array(weight).tobytes())
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "weights"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError, match="is in another file"):
        on_cpu(bundle_of(tmp_path, model.SerializeToString()))


@pytest.mark.parametrize(
    "frames",
    [np.zeros((480, 640, 3), np.uint8), np.zeros((1, 480, 640, 3)), np.zeros((1, 0, 640, 3), np.uint8)],
)
def test_a_wrong_input_is_refused_and_the_next_one_run(colours: Bundle, frames: NDArray[np.uint8]) -> None:
    model = taking_frames(colours.model, colours.manifest, "N").SerializeToString()
    backend = TorchBackend(model, "it", colours.manifest, "cpu")
    with pytest.raises(ImageError):
        backend.run(frames)
    backend.run(pictures(1))


def test_an_image_may_be_read_only_and_a_part_of_another(colours: Bundle) -> None:
    """As in a message; torch would write into it, and takes no negative steps."""
    model = taking_frames(colours.model, colours.manifest, "N").SerializeToString()
    backend = TorchBackend(model, "it", colours.manifest, "cpu")
    frames = pictures()[:, 1::2, ::-1, ::-1]
    frames.flags.writeable = False
    np.testing.assert_array_equal(backend.run(frames)[0], backend.run(np.ascontiguousarray(frames))[0])


def test_few_shapes_are_kept_and_every_one_is_right(colours: Bundle) -> None:
    model = taking_frames(colours.model, colours.manifest, "N").SerializeToString()
    backend = TorchBackend(model, "it", colours.manifest, "cpu")
    sizes = [(50 + step, 60) for step in range(MAX_CACHED_SHAPES + 2)]
    first = [backend.run(pictures(1, size))[0] for size in sizes]
    assert [*backend._runners] == [(1, *size, 3) for size in sizes[-MAX_CACHED_SHAPES:]]
    backend.run(pictures(1, sizes[2]))
    backend.run(pictures(1, sizes[0]))
    assert (1, *sizes[2], 3) in backend._runners and (1, *sizes[3], 3) not in backend._runners
    again = [backend.run(pictures(1, size))[0] for size in sizes]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    backend.close()
    backend.close()
    assert not backend._runners


def test_maps_stay_when_the_next_image_is_run(colours: Bundle) -> None:
    backend = on_cpu(colours)
    cam, _ = backend.run(pictures(1))
    before = cam.copy()
    backend.run(pictures(1, seed=1))
    np.testing.assert_array_equal(cam, before)


def test_another_thread_may_run_it(colours: Bundle) -> None:
    backend, maps = on_cpu(colours), []
    worker = threading.Thread(target=lambda: maps.append(backend.run(pictures(1))))
    worker.start()
    worker.join()
    np.testing.assert_array_equal(maps[0][0], backend.run(pictures(1))[0])


def test_opening_leaves_the_thread_s_arithmetic_alone(colours: Bundle) -> None:
    on_cpu(colours)
    assert np.float32(1e-40) * np.float32(0.5) > 0


def test_settings_of_the_process_are_its_own_again() -> None:
    def settings() -> tuple[object, ...]:
        cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
        return (
            torch.get_float32_matmul_precision(), products.allow_fp16_reduced_precision_reduction,
            cudnn.allow_tf32, cudnn.benchmark, cudnn.enabled,
        )  # fmt: skip

    torch.set_float32_matmul_precision("high")
    try:
        before = settings()
        with devices._as_fp32():
            assert settings() == ("highest", False, False, True, True)
        assert settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")


def test_threads_are_torch_s_own(tmp_path: Path) -> None:
    """In a process of its own: the number holds for all of it."""
    colour_bundle(tmp_path / "colours")
    code = (
        "import sys; from selcon_ros.core.grounding.bundle import load_bundle\n"
        "from selcon_ros.backends.torch import TorchBackend\n"
        "assert 'torch' not in sys.modules\n"
        f"colours = load_bundle({str(tmp_path / 'colours')!r})\n"
        "TorchBackend(colours.model, 'it', colours.manifest, 'cpu', 3)\n"
        "import torch; print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"


def test_without_torch_it_says_what_to_install(colours: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendError, match=r"torch backend is not usable .*'selcon_ros\[torch\]'"):
        on_cpu(colours)
