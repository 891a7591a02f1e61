"""Engines run: on a machine with an NVIDIA GPU alone."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from selcon_ros.backends.base import MAX_CACHED_SHAPES
from selcon_ros.backends.cuda import CudaDevice, gpu, has_gpu
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import GpuOptions
from selcon_ros.backends.tensorrt import TensorRtBackend
from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.core.errors import BackendError, ImageError
from selcon_ros.core.grounding.bundle import Bundle, default_bundle_path, load_with_samples
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.engines.cache import Cache, CachedEngine
from selcon_ros.engines.comparison import compare_with_fp32
from selcon_ros.engines.compatibility import incompatibility
from selcon_ros.engines.repository import EngineSpec, build, find, serialized, verify
from selcon_ros.model import load

pytestmark = [
    pytest.mark.skipif(not has_gpu(), reason="needs an NVIDIA GPU with its driver"),
    pytest.mark.skipif(find_spec("pycuda") is None, reason="needs pycuda, compiled against CUDA's headers"),
]
CAMERA = (480, 640)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_with_samples(default_bundle_path())


@pytest.fixture(scope="module", params=list(LIBRARIES))
def kind(request: pytest.FixtureRequest) -> str:
    if not LIBRARIES[request.param].is_installed:
        pytest.skip(f"needs {LIBRARIES[request.param].title}")
    return str(request.param)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def entry(bundle: Bundle, cache: Cache, kind: str) -> CachedEngine:
    return build(bundle, EngineSpec(LIBRARIES[kind], camera=CAMERA), cache, lambda *_: None, print)


@pytest.fixture
def engine(bundle: Bundle, entry: CachedEngine) -> Iterator[TensorRtBackend]:
    opened = TensorRtBackend(bundle.manifest, serialized(entry))
    yield opened
    opened.close()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)


def same(engine: TensorRtBackend, bundle: Bundle, frames: np.ndarray) -> None:
    for given, exact in zip(engine.run(frames), open_on_cpu(bundle).run(frames), strict=True):
        assert (given is None) == (exact is None)
        if given is not None and exact is not None:
            assert given.shape == exact.shape and given.dtype == np.float32
            assert np.abs(given - exact).mean() < 0.02 * max(1e-3, float(np.abs(exact).max()))


def test_answers_as_onnx_runtime_does(bundle: Bundle, entry: CachedEngine, cache: Cache, kind: str) -> None:
    assert incompatibility(entry.record.key) is None
    found = verify(bundle, entry, cache).record.agreement
    assert found is not None and found["kld_mean"] < 0.01
    kept = find(bundle, EngineSpec(LIBRARIES[kind]), cache)
    assert kept is not None and kept.record.agreement == {**found, "worst": list(found["worst"])}


def test_images_of_several_sizes_come_and_go(bundle: Bundle, engine: TensorRtBackend) -> None:
    sizes = [(480, 640), bundle.manifest.input_size, (100, 60), (1, 1), (479, 17), (301, 500)]
    assert len(sizes) > MAX_CACHED_SHAPES
    for size in [*sizes, *sizes]:
        same(engine, bundle, noise(1, *size))


def test_images_larger_than_the_camera_are_shrunk_first(bundle: Bundle, engine: TensorRtBackend) -> None:
    same(engine, bundle, noise(1, CAMERA[0] + 1, CAMERA[1]))
    same(engine, bundle, noise(1, 1080, 1920))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_batches(bundle: Bundle, engine: TensorRtBackend, count: int) -> None:
    same(engine, bundle, noise(count, 240, 320))


def test_maps_are_not_written_over(engine: TensorRtBackend) -> None:
    first, _ = engine.run(noise(1, 240, 320))
    kept = first.copy()
    engine.run(255 - noise(1, 240, 320))
    np.testing.assert_array_equal(first, kept)


def test_wrong_images_are_refused_and_the_next_ones_run(engine: TensorRtBackend) -> None:
    for wrong in (noise(0, 240, 320), noise(240, 320), noise(1, 240, 320).astype(np.float32)):
        with pytest.raises(ImageError):
            engine.run(wrong)
    engine.run(noise(1, 240, 320))


def test_closing_twice(bundle: Bundle, entry: CachedEngine) -> None:
    engine = TensorRtBackend(bundle.manifest, serialized(entry))
    engine.close()
    engine.close()


def test_two_engines_at_once(bundle: Bundle, entry: CachedEngine, engine: TensorRtBackend) -> None:
    other = TensorRtBackend(bundle.manifest, serialized(entry))
    same(other, bundle, noise(1, 240, 320))
    other.close()
    same(engine, bundle, noise(1, 240, 320))


def test_a_truncated_engine(bundle: Bundle, entry: CachedEngine, tmp_path: Path) -> None:
    content = entry.content()
    cut = replace(entry, path=tmp_path / "cut.engine")
    cut.path.write_bytes(content[:-100])
    with pytest.raises(BackendError, match="was changed or cut short"):
        serialized(cut)
    # Also where its record was made for it.
    whole = Cache(tmp_path / "engines").add(entry.record, content[: len(content) // 2])
    with pytest.raises(BackendError, match="cannot load .*; build it again"):
        TensorRtBackend(bundle.manifest, serialized(whole))


def test_an_engine_of_another_bundle(bundle: Bundle, entry: CachedEngine) -> None:
    manifest = replace(bundle.manifest, actions=bundle.manifest.actions[:2], confidence=None)
    with pytest.raises(BackendError, match="output 'cam' is .*build it again"):
        TensorRtBackend(manifest, serialized(entry))


def test_above_the_tolerance_it_is_removed(bundle: Bundle, entry: CachedEngine, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    copy = cache.add(entry.record, entry.content())
    with pytest.raises(BackendError, match="farther from fp32 than the tolerance"):
        verify(bundle, copy, cache, tolerance=1e-12)
    assert cache.entries() == []


def test_the_node_s_choice_is_compared(bundle: Bundle, entry: CachedEngine, cache: Cache, kind: str) -> None:
    model = load(bundle.path, kind, gpu=GpuOptions(cache=cache.folder))
    assert compare_with_fp32(bundle, model.backend, read_samples(bundle)[:2]).kld_mean < 0.01
    model.close()
    with pytest.raises(BackendError, match="selcon engine build"):
        load(bundle.path, kind, "fp32", gpu=GpuOptions(cache=cache.folder))


def test_gpus_are_counted_and_memory_is() -> None:
    with pytest.raises(BackendError, match="no GPU number 99"):
        gpu(99)
    device = CudaDevice(0)
    with device.current(), pytest.raises(BackendError, match="has no room for a tensor"):
        device.buffer((1 << 20, 1 << 20), np.float32)
    device.close()
