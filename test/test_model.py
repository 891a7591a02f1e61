"""Which backend runs a bundle, and why."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from selcon_ros import model as choose
from selcon_ros.backends.base import BACKENDS, Setup, open_backend
from selcon_ros.backends.cuda import gpu, has_gpu
from selcon_ros.core.bundle import INT8_ROLE, Bundle, load_bundle, write_bundle
from selcon_ros.core.errors import BackendError, BundleError, NotInstalledError
from selcon_ros.core.samples import read_samples
from selcon_ros.model import open_model
from support.bundles import colour_bundle

no_gpu = pytest.mark.skipif(has_gpu(), reason="what is chosen where there is no NVIDIA GPU")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return colour_bundle(tmp_path / "colours")


@pytest.fixture
def with_int8(bundle: Path, tmp_path: Path) -> Path:
    """A bundle whose int8 graph is its fp32 one: that it is chosen is what counts."""
    loaded = load_bundle(bundle)
    write_bundle(tmp_path / "int8", loaded.manifest, loaded.files | {INT8_ROLE: loaded.model})
    return tmp_path / "int8"


@no_gpu
def test_auto_takes_the_cpu_and_says_why(bundle: Path) -> None:
    opened = open_model(bundle)
    assert opened.backend.name.startswith("ONNX Runtime") and "CPU" in opened.backend.name
    assert opened.why == "onnxruntime: no NVIDIA GPU here"
    assert opened.failures == () and opened.bundle.files == {}


def test_int8_is_taken_where_the_bundle_has_it(with_int8: Path) -> None:
    opened = open_model(with_int8, "onnxruntime")
    assert "int8" in opened.backend.name and "int8 since the bundle has it" in opened.why
    for precision, there in (("int8", True), ("fp32", False)):
        assert ("int8" in open_model(with_int8, "onnxruntime", precision).backend.name) is there


@no_gpu
def test_auto_takes_int8_too(with_int8: Path) -> None:
    assert "int8" in open_model(with_int8).backend.name


@no_gpu
@pytest.mark.parametrize("backend", [name for name, each in BACKENDS.items() if each.gpu])
def test_a_backend_that_is_not_there_is_an_error_or_gives_way(bundle: Path, backend: str) -> None:
    with pytest.raises(NotInstalledError) as caught:
        open_model(bundle, backend)
    opened = open_model(bundle, backend, fall_back=True)
    assert opened.failures == (f"{backend}: {caught.value}",)
    assert opened.why == f"onnxruntime: since {backend} does not run"


@no_gpu
@pytest.mark.parametrize(("precision", "int8"), [("auto", True), ("fp16", True), ("fp32", False)])
def test_fp32_that_was_asked_for_stays_so_on_the_cpu(with_int8: Path, precision: str, int8: bool) -> None:
    opened = open_model(with_int8, "tensorrt_rtx", precision, fall_back=True)
    assert ("int8" in opened.backend.name) is int8 and opened.failures


@pytest.mark.parametrize(
    ("backend", "precision", "message"),
    [
        ("onnxruntime", "fp16", "onnxruntime does not run fp16: choose one of auto, int8, fp32"),
        ("torch", "int8", "torch does not run int8: choose one of auto, fp16, fp32"),
        ("cuda", "auto", "unknown backend 'cuda': choose one of auto, tensorrt, "),
    ],
)
def test_wrong_choices(bundle: Path, backend: str, precision: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_model(bundle, backend, precision, fall_back=True)


@no_gpu
def test_fp16_needs_a_gpu(bundle: Path) -> None:
    with pytest.raises(BackendError, match="fp16 runs on NVIDIA GPUs .*, and there is none here"):
        open_model(bundle, precision="fp16")


def test_a_bundle_at_fault_is_no_reason_to_fall_back(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model bundle at"):
        open_model(tmp_path / "none", fall_back=True)


def test_where_a_gpu_s_backends_fail_auto_goes_on_and_tells(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a robot with a GPU whose engine is at fault: what is not installed is not told."""

    def opening(model: object, name: str, setup: Setup) -> object:
        if name == "tensorrt_rtx":
            raise BackendError("out of memory")
        if name != "onnxruntime":
            raise NotInstalledError(f"no {name}")
        return open_backend(load_bundle(bundle), name, setup)

    monkeypatch.setattr(choose, "has_gpu", lambda: True)
    monkeypatch.setattr(choose, "open_backend", opening)
    opened = open_model(bundle)
    assert opened.failures == ("tensorrt_rtx: out of memory",) and "CPU" in opened.backend.name
    with pytest.raises(BackendError, match="no backend runs bundle .*rtx: out of memory; tensorrt: no"):
        open_model(bundle, precision="fp16")


def test_a_library_that_is_missing_is_no_fault_of_ours(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot with a GPU that has none of what engines are built with runs on its CPU."""
    monkeypatch.setitem(sys.modules, "filelock", None)
    monkeypatch.delitem(sys.modules, "selcon_ros.engines.cache", raising=False)
    with pytest.raises(NotInstalledError, match="backend tensorrt needs filelock: pip install"):
        open_backend(load_bundle(bundle), "tensorrt")


@no_gpu
def test_there_is_no_gpu_here() -> None:
    with pytest.raises(NotInstalledError, match="no NVIDIA driver here|pycuda is not usable"):
        gpu()


def test_a_bundle_without_samples_runs_on_the_cpu(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to compare a GPU's engine on is no reason not to run."""

    def opening(model: Bundle, name: str, setup: Setup) -> object:
        if name != "onnxruntime":
            read_samples(model)
        return open_backend(model, name, setup)

    monkeypatch.setattr(choose, "has_gpu", lambda: True)
    monkeypatch.setattr(choose, "open_backend", opening)
    opened = open_model(bundle)
    assert "CPU" in opened.backend.name and "has no sample pictures" in opened.failures[0]


def test_setup_is_checked() -> None:
    with pytest.raises(BackendError, match="threads is 0"):
        replace(Setup(), threads=0)
