"""Which of a bundle's graphs runs on this CPU: the fastest, by a measurement that is made once and kept."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import selcon_ros
from selcon_ros.backends.base import Backend
from selcon_ros.backends.onnxruntime import OnnxRuntimeBackend, thread_count
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.bundle import INT8_ROLE, Bundle, load_bundle
from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.heatmap_agreement import TOLERANCE
from selcon_ros.core.manifest import Manifest
from selcon_ros.core.memory import free_memory
from selcon_ros.core.processor import processor
from selcon_ros.engines.choice_record import ChoiceKey, ChoiceRecord, CpuTimes, read_choice, write_choice
from selcon_ros.engines.folder import default_folder

EXACT = "fp32"
ROLES = {EXACT: "model", "int8": INT8_ROLE}
"""The bundle's file for each precision on a CPU."""
WORTH = 0.9
"""Share of fp32's time above which another precision is not worth its rounding, nor the noise of a second."""
SECONDS = 1.0
LEAST, MOST = 3, 50
"""Turns of each graph: slow networks have the least, in whatever time; nobody needs more than the most."""
MEMORY = 3
"""Bytes that a session takes for a byte of its file, about: the file, its weights, and what they become."""


@dataclass(frozen=True)
class Choice:
    """What runs on the CPU. times: what was measured, None where nothing was; why: how that came."""

    precision: str
    times: CpuTimes | None
    why: str


@dataclass(frozen=True)
class Opened:
    """A bundle, with the graph that was chosen, and its open backend."""

    bundle: Bundle
    backend: OnnxRuntimeBackend
    choice: Choice


def candidates(manifest: Manifest) -> tuple[list[str], str]:
    """Return the precisions that may be chosen, fp32 first, and why one that is there may not be ("").

    int8 may where the bundle says that its heatmaps were compared with those of fp32, and that their mean KLD
    is within the tolerance that it was made with (`selcon quantize` writes no other).
    """
    if INT8_ROLE not in manifest.files:
        return [EXACT], ""
    record = manifest.metrics.get("int8")
    record = record if isinstance(record, dict) else {}
    kld, tolerance = record.get("kld_mean"), record.get("tolerance", TOLERANCE)
    if not isinstance(kld, int | float) or not isinstance(tolerance, int | float):
        return [EXACT], "the bundle does not say how far its int8 heatmaps are from fp32 (metrics.int8)"
    if not kld <= tolerance:
        return [EXACT], f"its int8 heatmaps have a KLD of {kld:g} from fp32, the tolerance is {tolerance:g}"
    return [EXACT, "int8"], ""


def fastest(times: CpuTimes) -> str:
    """Return the precision to run: fp32 unless another takes at most WORTH of its time, then the fastest."""
    best = min(times.shares, key=lambda name: times.shares[name])
    return best if times.shares[best] <= WORTH else EXACT


def open_fastest(path: Path, options: CpuOptions, cache: Path | None) -> Opened:
    """Open the graph of a bundle that is the fastest on this CPU (see `candidates`, `fastest`).

    The first time they are all opened and timed in turns, for about a second (`measure`). The times are kept
    in the folder of engines (`cache`; None: the user's) and hold for the same graphs, processor, cores,
    threads and versions. Raises BundleError for a bad bundle, BackendError where no graph runs.
    """
    manifest = load_bundle(path, roles=()).manifest
    options.pin_thread()
    able, left_out = candidates(manifest)
    if len(able) == 1:
        return _open(path, options, Choice(EXACT, None, left_out and f"fp32, for {left_out}"))
    key = _key(manifest, able, options)
    record, file, remark = _kept(key, manifest.name, cache)
    if record is not None:
        why = _because(record.times, f"measured {record.measured}, kept in {file}")
        return _open(path, options, Choice(fastest(record.times), record.times, why))
    bundle = load_bundle(path, roles=[ROLES[name] for name in able])
    if (lack := _lack_of_memory(bundle)) is not None:
        # Both would be in memory at once; the smaller one is what it can do with.
        return _open(path, options, Choice("int8", None, f"int8, not measured: {lack}"))
    opened, failures = _open_all(bundle, able, options)
    if failures:
        name, backend = next(iter(opened.items()))
        return Opened(bundle, backend, Choice(name, None, f"{name}, for {'; '.join(failures)}"))
    times = measure(opened, manifest)
    kept = _keep(file, ChoiceRecord.of(key, times))
    why = _because(times, "; ".join(filter(None, ("measured now", remark, kept))))
    chosen = fastest(times)
    return Opened(bundle, opened[chosen], Choice(chosen, times, why))


def measure(backends: Mapping[str, Backend], manifest: Manifest) -> CpuTimes:
    """Time backends by precision, fp32 among them, in turns.

    It is this process's time on all cores that counts, and a share is that of two runs in a row: on a loaded
    machine the clock, and the shortest run by it, differ by a factor of two from one second to the next.
    """
    frame = np.random.default_rng(0).integers(0, 256, (1, *manifest.input_size, 3), np.uint8)
    spent: dict[str, list[float]] = {name: [] for name in backends}
    begin = time.perf_counter()
    while (rounds := len(spent[EXACT])) < LEAST or (rounds < MOST and time.perf_counter() - begin < SECONDS):
        for name, backend in backends.items():
            start = time.process_time()
            backend.run(frame)
            spent[name].append(1e3 * (time.process_time() - start))
    exact = np.maximum(spent[EXACT], 1e-6)
    return CpuTimes(
        {name: float(np.median(each)) for name, each in spent.items()},
        {name: float(np.median(each / exact)) for name, each in spent.items()},
        len(exact),
    )


def _open(path: Path, options: CpuOptions, choice: Choice) -> Opened:
    """Open the graph of a choice alone."""
    role = ROLES[choice.precision]
    bundle = load_bundle(path, roles=(role,))
    return Opened(bundle, OnnxRuntimeBackend(bundle, role, options), choice)


def _open_all(
    bundle: Bundle, precisions: list[str], options: CpuOptions
) -> tuple[dict[str, OnnxRuntimeBackend], list[str]]:
    """Return what runs, by precision, and what does not, in words. Raises BackendError where nothing does."""
    opened: dict[str, OnnxRuntimeBackend] = {}
    failures: list[str] = []
    for name in precisions:
        try:
            opened[name] = OnnxRuntimeBackend(bundle, ROLES[name], options)
        except BackendError as error:
            failures.append(f"{name} does not run: {error}")
            if len(failures) == len(precisions):
                raise
    return opened, failures


def _key(manifest: Manifest, precisions: list[str], options: CpuOptions) -> ChoiceKey:
    here = processor()
    return ChoiceKey(
        graphs={name: manifest.files[ROLES[name]].sha256 for name in precisions},
        processor=here.name,
        kind=here.kind,
        cores=len(os.sched_getaffinity(0)),
        threads=thread_count(options.threads),
        spinning=options.spinning,
        onnxruntime=_version(),
        selcon_ros=selcon_ros.__version__,
    )


def _version() -> str:
    try:
        import onnxruntime
    except ImportError:
        return ""  # opening the graph says so
    return str(onnxruntime.__version__)


def _kept(key: ChoiceKey, bundle: str, cache: Path | None) -> tuple[ChoiceRecord | None, Path | None, str]:
    """Return what was measured before, if it was; the file for it, if there can be one; what to say of it."""
    try:
        file = key.path(cache or default_folder(), bundle)
    except BackendError as error:
        return None, None, f"not kept: {error}"
    if not os.path.lexists(file):
        return None, file, ""
    try:
        return read_choice(file, key), file, ""
    except EngineError as error:
        return None, file, f"again, for {error}"


def _keep(file: Path | None, record: ChoiceRecord) -> str:
    """Write the record; return in words where it is, or why it is not."""
    if file is None:
        return ""
    try:
        write_choice(file, record)
    except OSError as error:
        return f"not kept, so that each start measures: {file}: {error.strerror or error}"
    return f"kept in {file}"


def _lack_of_memory(bundle: Bundle) -> str | None:
    free, needed = free_memory(), MEMORY * sum(map(len, bundle.files.values()))
    if free is None or needed <= free:
        return None
    return f"both graphs together take {needed >> 20} MiB of memory, and {free >> 20} MiB are free"


def _because(times: CpuTimes, where: str) -> str:
    chosen = fastest(times)
    other = min((name for name in times.shares if name != EXACT), key=lambda name: times.shares[name])
    share = f"{times.shares[other]:.2f}"
    told = f"{times.milliseconds[other]:.3g} ms against {times.milliseconds[EXACT]:.3g} ms of CPU; {where}"
    if chosen == EXACT:
        return f"fp32, for {other} takes {share} of its time, not at most {WORTH:g} ({told})"
    return f"{chosen}, which takes {share} of the time of fp32 ({told})"
