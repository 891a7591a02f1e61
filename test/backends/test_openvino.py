"""OpenVINO answers as ONNX Runtime does, in the precision that was asked for, and tells nobody of its use."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from selcon_ros.backends import openvino
from selcon_ros.backends.base import BACKENDS
from selcon_ros.backends.onnxruntime import OnnxRuntimeBackend
from selcon_ros.backends.openvino import OpenVinoBackend, import_openvino
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError, NotInstalledError
from selcon_ros.core.grounding.bundle import Bundle, default_bundle_path, load_bundle
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.engines.comparison import compare_with_fp32
from support.bundles import colour_bundle
from support.made_graphs import with_foreign_operator
from support.openvino import needs_openvino
from support.processes import cores_of_new_threads

ONE = CpuOptions(threads=1)


@pytest.fixture(scope="module")
def packaged() -> Bundle:
    return load_bundle(default_bundle_path())


def has_bf16() -> bool:
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@needs_openvino
def test_fp32_is_that_of_onnx_runtime(packaged: Bundle) -> None:
    exact, other = OnnxRuntimeBackend(packaged, "model", ONE), OpenVinoBackend(packaged, "fp32", ONE)
    for image in read_samples(packaged)[:3]:
        (cam, affinity), (found, none) = exact.run(image[None]), other.run(image[None])
        assert affinity is None and none is None and found.dtype == np.float32
        np.testing.assert_allclose(found, cam, rtol=0, atol=5e-5 * np.abs(cam).max())


@needs_openvino
def test_the_next_image_does_not_change_the_last_answer(packaged: Bundle) -> None:
    backend = OpenVinoBackend(packaged, "fp32", ONE)
    first, second = read_samples(packaged)[:2]
    cam, _ = backend.run(first[None])
    before = cam.copy()
    backend.run(second[None])
    np.testing.assert_array_equal(cam, before)


@needs_openvino
def test_int8_agrees_with_fp32(packaged: Bundle) -> None:
    backend = OpenVinoBackend(packaged, "int8", ONE)
    assert backend.name.endswith("(CPU, int8)")
    found = compare_with_fp32(packaged, backend, read_samples(packaged)[:2])
    assert 1e-5 < found.kld_mean < 0.01


@needs_openvino
@pytest.mark.parametrize(("precision", "taken"), [("fp32", "f32"), ("int8", "f32"), ("bf16", "bf16")])
def test_it_computes_in_what_was_asked_for(packaged: Bundle, precision: str, taken: str) -> None:
    """Its own default differs from one processor to the next."""
    if precision == "bf16" and not has_bf16():
        with pytest.raises(BackendError, match="has no bf16 on this processor: choose another precision"):
            OpenVinoBackend(packaged, precision, ONE)
        return
    backend = OpenVinoBackend(packaged, precision, CpuOptions(threads=2))
    compiled = backend._request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == taken
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


@needs_openvino
def test_bf16_agrees_with_fp32(packaged: Bundle) -> None:
    if not has_bf16():
        pytest.skip("this processor has no bf16 (avx512_bf16 or amx_bf16 in /proc/cpuinfo)")
    found = compare_with_fp32(packaged, OpenVinoBackend(packaged, "bf16", ONE), read_samples(packaged)[:2])
    assert found.kld_mean < 0.01


@needs_openvino
def test_what_it_cannot_read_is_told_by_name(tmp_path: Path) -> None:
    loaded = load_bundle(colour_bundle(tmp_path / "colours"))
    foreign = Bundle(loaded.manifest, {"model": with_foreign_operator(loaded.model)}, loaded.path)
    OnnxRuntimeBackend(foreign, "model", ONE)
    with pytest.raises(
        BackendError, match=r"model.onnx of bundle .*colours cannot be opened by OpenVINO .*SampleOp"
    ):
        OpenVinoBackend(foreign, "fp32", ONE)


@needs_openvino
def test_closing_twice_is_allowed(packaged: Bundle) -> None:
    backend = OpenVinoBackend(packaged, "fp32", ONE)
    backend.close()
    backend.close()


def test_without_it_what_to_install_is_told(packaged: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        NotInstalledError, match=r"OpenVINO is not usable .*pip install 'selcon_ros\[openvino\]'"
    ):
        OpenVinoBackend(packaged, "fp32", ONE)


def test_every_precision_has_its_arithmetic() -> None:
    assert set(openvino.COMPUTE_TYPES) == set(BACKENDS["openvino"].precisions)


@needs_openvino
def test_its_import_tells_nobody(tmp_path: Path) -> None:
    """Else it sends an event from a process that it forks, and leaves an identifier in ~/intel."""
    code = """
import sys
from selcon_ros.backends.openvino import import_openvino
assert import_openvino().Core().available_devices
assert not [name for name in sys.modules if "telemetry" in name and not name.startswith("selcon")]
assert not {"openvino.tools.ovc", "multiprocessing", "urllib.request"} & set(sys.modules)
"""
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"HOME": str(tmp_path)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []


@needs_openvino
def test_its_threads_keep_to_their_cores(tmp_path: Path) -> None:
    bundle, one = colour_bundle(tmp_path / "colours"), min(os.sched_getaffinity(0))
    made = cores_of_new_threads(
        before="from selcon_ros.backends.openvino import OpenVinoBackend, import_openvino; import_openvino()",
        bundle=bundle,
        options=f"cores=({one},)",
        opening='options.pin_thread() or OpenVinoBackend(bundle, "fp32", options)',
    )
    assert made and set(made) == {1}


@needs_openvino
def test_ctrl_c_is_an_interrupt_when_models_are_gone(tmp_path: Path) -> None:
    """In a process of its own, which a signal would end otherwise."""
    code = f"""
import gc, os, signal
from selcon_ros.backends.openvino import OpenVinoBackend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.grounding.bundle import load_bundle
bundle = load_bundle({str(colour_bundle(tmp_path / "colours"))!r})
models = [OpenVinoBackend(bundle, "fp32", CpuOptions(threads=1)) for _ in range(2)]
while models:
    models.pop(0).close()
    gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


@needs_openvino
def test_several_threads_would_leave_their_cores(packaged: Bundle) -> None:
    options = CpuOptions(threads=2, cores=(min(os.sched_getaffinity(0)),))
    with pytest.raises(BackendError, match="threads do not keep to the cores .*: set threads to 1, or start"):
        OpenVinoBackend(packaged, "fp32", options)
