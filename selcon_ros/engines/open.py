"""Open a bundle on a GPU: its converted graph or its engine, compared with fp32 before it is used."""

from __future__ import annotations

from selcon_ros.backends.base import Backend
from selcon_ros.backends.cuda import gpu
from selcon_ros.backends.onnxruntime_graph import PROVIDERS, OnnxRuntimeGraph, require_provider
from selcon_ros.backends.options import GpuOptions
from selcon_ros.backends.tensorrt import TensorRtBackend
from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.backends.torch import TorchBackend, require_torch
from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.grounding.bundle import Bundle
from selcon_ros.engines.cache import Cache, CachedEngine
from selcon_ros.engines.comparison import verified
from selcon_ros.engines.repository import EngineSpec, build, converted_graph, find, serialized, verify


def open_on_gpu(bundle: Bundle, backend: str, precision: str, options: GpuOptions) -> Backend:
    """Open the bundle's model in a backend of BACKENDS that runs on a GPU.

    `bundle` was loaded with its samples (`bundle.load_with_samples`). Raises NotInstalledError where a
    library or the driver is missing, BackendError where the model does not run or differs from fp32,
    BundleError where the bundle has no samples.
    """
    if backend in LIBRARIES:
        return _open_tensorrt(bundle, backend, precision, options)
    if backend == "torch":
        require_torch(options.device)  # before the graph is converted, which takes long
        graph, subject, _ = _convert(bundle, precision, options)
        return verified(bundle, TorchBackend(graph, subject, bundle.manifest, "cuda"))
    return _open_onnxruntime(bundle, backend, precision, options)


def _open_onnxruntime(bundle: Bundle, backend: str, precision: str, options: GpuOptions) -> Backend:
    provider = PROVIDERS[backend]
    require_provider(provider)
    graph, subject, cache = _convert(bundle, precision, options)
    settings = {"device_id": str(options.device)}
    if backend == "onnxruntime_tensorrt":
        folder = str(cache.folder / "onnxruntime")
        settings |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
    return verified(bundle, OnnxRuntimeGraph(bundle.manifest, graph, provider, subject, settings))


def _convert(bundle: Bundle, precision: str, options: GpuOptions) -> tuple[bytes, str, Cache]:
    """Return the converted graph, what messages call it, and the cache that it is in."""
    cache = Cache(options.cache)
    graph = converted_graph(bundle, precision, cache, options.progress)
    return graph, f"the {precision} graph of bundle {bundle.path}", cache


def _open_tensorrt(bundle: Bundle, backend: str, precision: str, options: GpuOptions) -> Backend:
    """Open the bundle's engine for this GPU, building it first if that is allowed."""
    library = LIBRARIES[backend]
    library.load()
    gpu(options.device)
    spec = EngineSpec(library, precision, options.batch, device=options.device)
    cache = Cache(options.cache)
    reason = "none is built"
    if (entry := find(bundle, spec, cache)) is not None:
        try:
            return _open_entry(bundle, entry, cache, options)
        except EngineError as error:  # any other is no fault of the engine: too little memory, say
            reason = str(error)
    if not options.build:
        raise BackendError(
            f"no {library.title} engine of bundle {bundle.path} runs on this GPU from {cache.folder} "
            f"({reason}): selcon engine build {bundle.path} --kind {backend} --precision {precision}"
        )
    # Even if it is there, as one that does not run here.
    again = entry is not None
    entry = build(
        bundle, spec, cache, options.progress, lambda text: options.progress(text, 0.0), again=again
    )
    return _open_entry(bundle, entry, cache, options)


def _open_entry(bundle: Bundle, entry: CachedEngine, cache: Cache, options: GpuOptions) -> TensorRtBackend:
    """Open an engine of the cache, compared with ONNX Runtime before it is used for the first time."""
    if entry.record.agreement is None:
        options.progress("comparing the engine with ONNX Runtime", 0.0)
        entry = verify(bundle, entry, cache, options.device)
    return TensorRtBackend(bundle.manifest, serialized(entry), options.device)
