"""Which backend runs a bundle, and why."""

import sys
from pathlib import Path

import numpy as np
import pytest

from selcon_ros import model as front_door
from selcon_ros.backends import openvino
from selcon_ros.backends.base import BACKENDS, Backend
from selcon_ros.backends.cuda import gpu, has_gpu
from selcon_ros.backends.onnxruntime import OnnxRuntimeBackend
from selcon_ros.backends.options import CpuOptions, GpuOptions
from selcon_ros.core.errors import BackendError, BundleError, NotInstalledError
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.machine.memory import give_back_memory
from selcon_ros.engines.choice_record import CpuTimes
from selcon_ros.model import load
from support import bundles
from support.bundles import COLOURS, colour_bundle
from support.choices import measured_by, times_of
from support.memory import glibc_only, resident
from support.openvino import needs_openvino

OPENVINO_FP32 = ("openvino", "fp32")
no_gpu = pytest.mark.skipif(has_gpu(), reason="what is chosen where there is no NVIDIA GPU")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return colour_bundle(tmp_path / "colours")


def taking(share: float) -> CpuTimes:
    """What a measurement finds where int8 takes this share of fp32's time."""
    return CpuTimes({"fp32": 2.0, "int8": 2.0 * share}, {"fp32": 1.0, "int8": share}, 3)


@pytest.fixture
def with_int8(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle with an int8 graph, which takes half the time of the fp32 one."""
    measured_by(monkeypatch, lambda *_: taking(0.5))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return bundles.with_int8(bundle)


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a robot without it."""
    monkeypatch.setattr(openvino, "installed_version", lambda: None)
    monkeypatch.setitem(sys.modules, "openvino", None)


@no_gpu
@pytest.mark.usefixtures("no_openvino")
def test_auto_takes_the_cpu_and_says_why(bundle: Path) -> None:
    model = load(bundle)
    assert model.backend.name.startswith("ONNX Runtime") and "CPU" in model.backend.name
    assert model.why == "onnxruntime: no NVIDIA GPU here"
    assert model.failures == () and model.bundle.files == {}


@glibc_only
def test_opening_gives_back_the_memory_that_it_took_on_the_way() -> None:
    with load(None, "onnxruntime", "fp32"):
        before = resident()
        give_back_memory()
        assert before - resident() < 4e6  # 16 MB where nothing was given back


def test_int8_is_taken_where_it_is_faster(with_int8: Path) -> None:
    model = load(with_int8, "onnxruntime")
    assert "int8" in model.backend.name
    assert model.why.startswith("onnxruntime: as asked for; int8, which takes 0.50 of the time of fp32 (1 ms")
    assert (model.kind, model.precision) == ("onnxruntime", "int8")
    for precision, there in (("int8", True), ("fp32", False)):
        model = load(with_int8, "onnxruntime", precision)
        assert ("int8" in model.backend.name) is there
        assert (model.kind, model.precision) == ("onnxruntime", precision)


@no_gpu
@needs_openvino
def test_auto_takes_openvino_where_it_is_faster(with_int8: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = times_of(fp32=1.0, int8=0.8, openvino_fp32=0.4, openvino_int8=0.9)
    measured_by(monkeypatch, lambda *_: times)
    with load(bundles.with_samples(with_int8)) as model:
        assert model.backend.name.startswith("OpenVINO 20") and (model.kind, model.precision) == OPENVINO_FP32
        assert model.why.startswith(
            "openvino: no NVIDIA GPU here; openvino fp32, which takes 0.40 of the time"
        )
        image = np.full((60, 80, 3), 120, np.uint8)
        image[20:40, 30:50] = COLOURS["hold"]
        assert model.ground(image).heatmap("hold").values[30, 40] > 0.9
    named = load(with_int8, *OPENVINO_FP32)
    assert named.why.startswith("openvino: as asked for; openvino fp32")


@pytest.mark.usefixtures("no_openvino")
def test_without_openvino_what_asks_for_it_is_told_so(bundle: Path) -> None:
    install = r"pip install 'selcon_ros\[openvino\]'"
    with pytest.raises(NotInstalledError, match=f"OpenVINO is not usable .*: {install}"):
        load(bundle, "openvino")
    model = load(bundle, "openvino", fall_back=True)
    assert model.why == "onnxruntime: since openvino does not run" and "not usable" in model.failures[0]
    with pytest.raises(
        BackendError, match=f"no backend runs bundle .*: openvino is not installed: {install}"
    ):
        load(bundle, precision="bf16")


@no_gpu
def test_auto_takes_it_too_and_keeps_what_was_measured(with_int8: Path, tmp_path: Path) -> None:
    assert "int8" in load(with_int8).backend.name
    assert "kept in" in load(with_int8, gpu=GpuOptions(cache=tmp_path / "engines")).why
    assert len(list((tmp_path / "engines").iterdir())) == 1
    assert "measured now" not in load(with_int8).why


def test_fp32_stays_where_int8_is_not_faster(with_int8: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured_by(monkeypatch, lambda *_: taking(0.95))
    model = load(with_int8, "onnxruntime")
    assert model.precision == "fp32"
    assert "int8" not in model.backend.name and "fp32, for int8 takes 0.95 of its time" in model.why


@no_gpu
@pytest.mark.parametrize("backend", [name for name, each in BACKENDS.items() if each.on_gpu])
def test_a_backend_that_is_not_there_is_an_error_or_gives_way(bundle: Path, backend: str) -> None:
    with pytest.raises(NotInstalledError) as caught:
        load(bundle, backend)
    model = load(bundle, backend, fall_back=True)
    assert model.failures == (f"{backend}: {caught.value}",)
    assert model.why == f"onnxruntime: since {backend} does not run"


@no_gpu
@pytest.mark.parametrize(("precision", "int8"), [("auto", True), ("fp16", True), ("fp32", False)])
def test_fp32_that_was_asked_for_stays_so_on_the_cpu(with_int8: Path, precision: str, int8: bool) -> None:
    model = load(with_int8, "tensorrt_rtx", precision, fall_back=True)
    assert ("int8" in model.backend.name) is int8 and model.failures


@pytest.mark.parametrize(
    ("backend", "precision", "message"),
    [
        ("onnxruntime", "fp16", "onnxruntime does not run fp16: choose one of auto, int8, fp32"),
        ("onnxruntime", "bf16", "onnxruntime does not run bf16: choose one of auto, int8, fp32"),
        ("openvino", "fp16", "openvino does not run fp16: choose one of auto, bf16, int8, fp32"),
        ("torch", "int8", "torch does not run int8: choose one of auto, fp16, fp32"),
        ("cuda", "auto", "unknown backend 'cuda': choose one of auto, tensorrt, "),
    ],
)
def test_wrong_choices(bundle: Path, backend: str, precision: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        load(bundle, backend, precision, fall_back=True)


@no_gpu
def test_fp16_needs_a_gpu(bundle: Path) -> None:
    with pytest.raises(BackendError, match="fp16 runs on NVIDIA GPUs .*, and there is none here"):
        load(bundle, precision="fp16")


def test_a_bundle_at_fault_is_no_reason_to_fall_back(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model bundle at"):
        load(tmp_path / "none", fall_back=True)


def test_where_a_gpu_s_backends_fail_auto_goes_on_and_tells(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a robot with a GPU whose engine is at fault: what is not installed is not told."""

    def opening(model: object, name: str, *options: object) -> Backend:
        raise BackendError("out of memory") if name == "tensorrt_rtx" else NotInstalledError(f"no {name}")

    monkeypatch.setattr(front_door, "has_gpu", lambda: True)
    monkeypatch.setattr(front_door, "_open_on_gpu", opening)
    model = load(bundle)
    assert model.failures == ("tensorrt_rtx: out of memory",) and "CPU" in model.backend.name
    with pytest.raises(BackendError, match="no backend runs bundle .*rtx: out of memory; tensorrt: no"):
        load(bundle, precision="fp16")


def test_a_library_that_is_missing_is_no_fault_of_ours(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot with a GPU that has none of what engines are built with runs on its CPU."""
    monkeypatch.setitem(sys.modules, "filelock", None)
    for name in ("open", "repository", "cache"):
        monkeypatch.delitem(sys.modules, f"selcon_ros.engines.{name}", raising=False)
    with pytest.raises(NotInstalledError, match="backend tensorrt needs filelock: pip install"):
        load(bundle, "tensorrt")


@no_gpu
def test_there_is_no_gpu_here() -> None:
    with pytest.raises(NotInstalledError, match="no NVIDIA driver here|pycuda is not usable"):
        gpu()


def test_a_bundle_without_samples_runs_on_the_cpu(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to compare a GPU's engine on is no reason not to run."""
    engines = pytest.importorskip("selcon_ros.engines.open")
    monkeypatch.setattr(front_door, "has_gpu", lambda: True)
    monkeypatch.setattr(engines, "open_on_gpu", lambda bundle, *_: read_samples(bundle))
    model = load(bundle)
    assert "CPU" in model.backend.name and "has no sample pictures" in model.failures[0]


def test_a_model_grounds_an_image_and_closes(bundle: Path) -> None:
    image = np.full((60, 80, 3), 120, np.uint8)
    image[20:40, 30:50] = COLOURS["hold"]
    with load(str(bundle), cpu=CpuOptions(threads=1)) as model:
        assert model.actions == tuple(COLOURS)
        grounding = model.ground(image)
    assert grounding.heatmap("hold").values[30, 40] > 0.9 and grounding.seconds > 0


@pytest.mark.parametrize("warm_up", [1, 5])
def test_warm_up_runs_the_engine(bundle: Path, monkeypatch: pytest.MonkeyPatch, warm_up: int) -> None:
    runs = []
    infer = OnnxRuntimeBackend._infer
    monkeypatch.setattr(OnnxRuntimeBackend, "_infer", lambda *given: runs.append(1) or infer(*given))
    load(bundle, "onnxruntime", warm_up=warm_up)
    assert len(runs) == warm_up


def test_warm_up_is_checked(bundle: Path) -> None:
    with pytest.raises(BackendError, match="warm_up is 0: it must be at least 1"):
        load(bundle, warm_up=0)
