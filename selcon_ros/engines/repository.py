"""Engines of a bundle on a machine: find, build, verify."""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.cuda import gpu
from selcon_ros.backends.options import Progress
from selcon_ros.backends.tensorrt import SerializedEngine, TensorRtBackend
from selcon_ros.backends.tensorrt_library import LIBRARIES, EngineLibrary
from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.grounding.bundle import Bundle, Normalisation
from selcon_ros.core.grounding.onnx_file import check_onnx
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD, Agreement
from selcon_ros.engines.build import Shapes, build_engine
from selcon_ros.engines.bundle_graph import takes_batches
from selcon_ros.engines.cache import TIMINGS_SUFFIX, Cache, CachedEngine
from selcon_ros.engines.comparison import compare_with_fp32
from selcon_ros.engines.prepared_graph import GRAPH_VERSION, Preparation
from selcon_ros.engines.record import ANY_GPU, GRAPH_KIND, Key, Range, Record

BATCH_RANGE: Range = (1, 1, 4)
SINGLE_IMAGE_RANGE: Range = (1, 1, 1)
CAMERA_SIZE = (1080, 1920)


@dataclass(frozen=True)
class EngineSpec:
    """Which engine is wanted: see `record.Key`. compute: build ahead for these; empty: for the GPU at hand.

    batch, camera: None takes an engine with any, and builds one with BATCH_RANGE (SINGLE_IMAGE_RANGE
    where the graph takes no more) and CAMERA_SIZE.
    """

    library: EngineLibrary
    precision: str = "fp16"
    batch: Range | None = None
    camera: tuple[int, int] | None = None
    compute: tuple[str, ...] = ()
    device: int = 0

    def __post_init__(self) -> None:
        if self.batch is not None and not 1 == self.batch[0] <= self.batch[1] <= self.batch[2]:
            raise BackendError(
                f"batch is {':'.join(map(str, self.batch))}: give least:best:most, rising from 1 (the node "
                "has one image at a time), as in 1:1:4"
            )


def source_digest(bundle: Bundle) -> str:
    """Return a digest of what the bundle's engines are made of: its graph, fit and normalisation."""
    digest = hashlib.sha256(bundle.model)
    manifest = bundle.manifest
    if (manifest.fit, manifest.normalisation) != ("stretch", Normalisation()):
        # Of others it is the graph's alone, as it has been for the engines that there are.
        digest.update(repr((manifest.fit, manifest.normalisation)).encode())
    return digest.hexdigest()


def converted_graph(bundle: Bundle, precision: str, cache: Cache, progress: Progress) -> bytes:
    """Return the bundle's prepared graph, for engines that run ONNX on a GPU: from the cache, or converted,
    compared with fp32 and kept there.

    bundle: with its samples (`load_with_samples`). Raises BackendError where it cannot be converted or is
    farther from fp32 than the tolerance.
    """
    key = Key(
        model=source_digest(bundle),
        graph=GRAPH_VERSION,
        kind=GRAPH_KIND,
        version=str(GRAPH_VERSION),
        gpu=ANY_GPU,
        compute=(),
        precision=precision,
        batch=SINGLE_IMAGE_RANGE,
        camera=CAMERA_SIZE,
    )
    with cache.lock(key, lambda: progress("waiting for another process, which converts this graph", 0.0)):
        if (entry := cache.find(key)) is not None:
            try:
                content = entry.content()
                check_onnx(content, str(entry.path), EngineError)
                return content
            except BackendError:  # damaged: made again
                cache.remove(entry)
        start = time.monotonic()
        preparation = _prepared(bundle, precision, progress)
        agreement = preparation.check()
        layers, seconds = preparation.result.layers, time.monotonic() - start
        record = _record(bundle, key, preparation, agreement, seconds, layers)
        cache.add(replace(record, agreement=record.agreement_of_graph), preparation.result.model)
        return preparation.result.model


def find(bundle: Bundle, spec: EngineSpec, cache: Cache) -> CachedEngine | None:
    """Return the engine for this bundle on this machine, None where it is not built."""
    entries = cache.entries()
    wanted = _key(bundle, spec, SINGLE_IMAGE_RANGE) if entries else None
    return next((entry for entry in entries if wanted and _serves(entry.record.key, wanted, spec)), None)


def build(
    bundle: Bundle,
    spec: EngineSpec,
    cache: Cache,
    progress: Progress,
    tell: Callable[[str], None],
    tolerance: float = MAX_KLD,
    images: Sequence[NDArray[np.uint8]] | None = None,
    again: bool = False,
) -> CachedEngine:
    """Build an engine and keep it, unless it is there (`again`: even then) or another process builds it.

    bundle: with its samples (`load_with_samples`), or compared on `images`. progress: told the phase and the
    share done; tell: what else a user should know. The converted graph is compared with fp32 before it is
    built. Raises BackendError where that is above the tolerance or the engine cannot be built.
    """
    spec.library.compute_targets(spec.compute)
    batches = takes_batches(bundle)
    if spec.batch is not None and spec.batch[2] > 1 and not batches:
        raise BackendError(
            f"the graph of bundle {bundle.path} takes one image at a time: build with --batch 1:1:1, or "
            "export the bundle again"
        )
    key = _key(bundle, spec, spec.batch or (BATCH_RANGE if batches else SINGLE_IMAGE_RANGE))
    with cache.lock(key, lambda: progress("waiting for another process, which builds this engine", 0.0)):
        if not again and (entry := cache.find(key)) is not None:
            try:
                entry.content()
                return entry
            except BackendError as error:
                tell(str(error))
        preparation = _prepared(bundle, spec.precision, progress, images)
        agreement = preparation.check(tolerance)
        tell(f"converted graph, {spec.precision} in ONNX Runtime, from fp32: {agreement}")
        timings = f"{key.kind}-{key.version}-{key.gpu}{TIMINGS_SUFFIX}"
        start = time.monotonic()
        built = build_engine(
            spec.library,
            preparation.result.model,
            Shapes(bundle.manifest.input_size, key.batch, key.camera),
            key.compute if spec.compute else (),
            progress,
            cache.read(timings),
        )
        if built.timings:
            cache.write(timings, built.timings)
        record = _record(bundle, key, preparation, agreement, time.monotonic() - start, built.layers)
        return cache.add(record, built.engine)


def verify(
    bundle: Bundle,
    entry: CachedEngine,
    cache: Cache,
    device: int = 0,
    tolerance: float = MAX_KLD,
    images: Sequence[NDArray[np.uint8]] | None = None,
) -> CachedEngine:
    """Run an engine on the GPU, compare it with ONNX Runtime and keep what was found in its record.

    bundle: with its samples, or compared on `images`. Raises BackendError where it cannot run, or above the
    tolerance: the engine is then removed.
    """
    engine = TensorRtBackend(bundle.manifest, serialized(entry), device)
    try:
        found = compare_with_fp32(bundle, engine, read_samples(bundle) if images is None else images)
    finally:
        engine.close()
    if not found.within(tolerance):
        cache.remove(entry)
        raise BackendError(
            f"{found.too_far(f'engine {entry.path}', tolerance)}. Its graph is not (KLD "
            f"{entry.record.agreement_of_graph['kld_mean']:.5f}); it was removed: build it in fp32"
        )
    return cache.update(replace(entry, record=replace(entry.record, agreement=asdict(found))))


def serialized(entry: CachedEngine) -> SerializedEngine:
    """Read an engine of the cache. Raises EngineError where its file is damaged."""
    key = entry.record.key
    return SerializedEngine(
        LIBRARIES[key.kind], entry.content(), str(entry.path), key.precision, key.batch[2], key.camera
    )


def _prepared(
    bundle: Bundle,
    precision: str,
    progress: Progress,
    images: Sequence[NDArray[np.uint8]] | None = None,
) -> Preparation:
    progress("converting the graph", 0.0)
    preparation = Preparation(bundle, precision, images)
    progress("comparing the converted graph with fp32", 0.0)
    return preparation


def _record(
    bundle: Bundle,
    key: Key,
    preparation: Preparation,
    agreement: Agreement,
    seconds: float,
    layers: dict[str, int],
) -> Record:
    return Record(
        key=key,
        bundle=bundle.manifest.name,
        sha256="",
        bytes=0,
        seconds=round(seconds, 1),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        layers=layers,
        kept=preparation.result.kept,
        agreement_of_graph=asdict(agreement),
    )


def _key(bundle: Bundle, spec: EngineSpec, batch: Range) -> Key:
    trt = spec.library.load()
    name, compute = ANY_GPU, spec.compute
    if not compute:
        here = gpu(spec.device)
        compute = (here.compute,)
        name = ANY_GPU if spec.library.builds_ahead else here.name
    # Larger images are shrunk to the network's size before, which must fit.
    height, width = map(max, spec.camera or CAMERA_SIZE, bundle.manifest.input_size)
    return Key(
        model=source_digest(bundle),
        graph=GRAPH_VERSION,
        kind=spec.library.name,
        version=trt.__version__,
        gpu=name,
        compute=tuple(sorted(set(compute))),
        precision=spec.precision,
        batch=batch,
        camera=(height, width),
    )


def _serves(found: Key, wanted: Key, spec: EngineSpec) -> bool:
    """Whether an engine does what is wanted; one built ahead may do so for more GPUs than this one."""
    covers = set(wanted.compute) <= set(found.compute)
    camera = wanted.camera if spec.camera else found.camera
    wanted = replace(wanted, batch=spec.batch or found.batch, camera=camera)
    return covers and replace(found, compute=wanted.compute) == wanted
