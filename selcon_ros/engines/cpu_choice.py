"""What runs a bundle on this CPU: the fastest that is installed, by a measurement that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selcon_ros.backends.base import CPU_BACKEND, OPENVINO, Backend
from selcon_ros.backends.openvino import cores_fault
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import Bundle, load_bundle, model_role, sample_roles
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.machine.memory import free_memory
from selcon_ros.engines.choice_file import Kept, keep, look_up
from selcon_ros.engines.choice_record import ChoiceRecord, CpuTimes
from selcon_ros.engines.cpu_candidates import AUTO, NO_SAMPLES, CpuCandidate, candidates
from selcon_ros.engines.cpu_measurement import measure_all, measure_apart
from selcon_ros.engines.cpu_timing import exclusions, explanation, fastest

MEMORY_PER_FILE_BYTE = 3
"""Bytes that a session takes for a byte of its file, about: the file, its weights, and what they become."""


@dataclass(frozen=True)
class CpuChoice:
    """What runs on the CPU.

    times: what was measured, None where nothing was; why: how that came; failures: engines that should have
    run, but did not, and why.
    """

    backend: str
    precision: str
    times: CpuTimes | None
    why: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A bundle, with the graph that was chosen, and its open backend."""

    bundle: Bundle
    backend: Backend
    choice: CpuChoice


def open_fastest(
    path: Path,
    options: CpuOptions,
    cache: Path | None,
    backends: Sequence[str] = (CPU_BACKEND,),
    precision: str = AUTO,
) -> Opened:
    """Open what is the fastest on this CPU of backends, ONNX Runtime first (see `candidates`, `fastest`).

    precision: AUTO, or the only one. The first time all are opened and timed in turns, for about a second;
    where both engines may run, in another process (`measure_apart`). OpenVINO's answers are compared with
    fp32 before it is chosen. The times are kept in the folder of engines (`cache`; None: the user's) and hold
    for the same graphs, processor, cores, threads and versions. Raises BundleError for a bad bundle,
    BackendError where nothing runs.
    """
    manifest = load_bundle(path, roles=()).manifest
    options.pin_thread()
    fault = cores_fault(options) if OPENVINO in backends and CPU_BACKEND in backends else ""
    able, left_out = candidates(manifest, [CPU_BACKEND] if fault else backends, precision)
    left_out |= {OPENVINO: fault} if fault else {}
    if not able:
        model_role(manifest, path, precision)
        raise BackendError("; ".join(exclusions(left_out)))
    if len(able) == 1:
        if able[0].backend != OPENVINO:
            why = "; ".join([able[0].label, *exclusions(left_out)]) if left_out else ""
            return _open_alone(path, able[0], options, why)
        if not sample_roles(manifest.files):
            why = "; ".join([f"{able[0].label}, not compared with fp32: {NO_SAMPLES}", *exclusions(left_out)])
            return _open_alone(path, able[0], options, why)
    kept = look_up(manifest, able, options, cache)
    if kept.record is None:
        return _open_measured(path, able, options, kept, left_out)
    record, out = kept.record, {**left_out, **kept.record.left_out}
    return _open_chosen(path, options, record.times, out, f"measured {record.measured}, kept in {kept.file}")


def _open_alone(
    path: Path, only: CpuCandidate, options: CpuOptions, why: str, failures: tuple[str, ...] = ()
) -> Opened:
    """Open what nothing is compared with."""
    bundle = load_bundle(path, roles=(only.role,))
    backend = only.open(bundle, options)
    return Opened(bundle, backend, CpuChoice(only.backend, only.precision, None, why, failures))


def _open_chosen(
    path: Path,
    options: CpuOptions,
    times: CpuTimes,
    left_out: Mapping[str, str],
    where: str,
    failures: tuple[str, ...] = (),
) -> Opened:
    """Open what is the fastest by these times; where that does not run any more, the next.

    where: what the times come from.
    """
    faults: dict[str, str] = {}
    while True:
        out = {**left_out, **faults}
        found = CpuCandidate.of(fastest(times, out))
        bundle = load_bundle(path, roles=(found.role,))
        try:
            backend = found.open(bundle, options)
        except BackendError as error:
            faults[found.label] = f"it does not run: {error}"
            if times.shares.keys() <= {**out, **faults}.keys():
                raise
            continue
        why = explanation(times, out, where)
        failures += tuple(f"{label}: {fault}" for label, fault in faults.items())
        return Opened(bundle, backend, CpuChoice(found.backend, found.precision, times, why, failures))


def _open_measured(
    path: Path, able: Sequence[CpuCandidate], options: CpuOptions, kept: Kept, left_out: dict[str, str]
) -> Opened:
    """Time all candidates in turns, keep that, and open the one to run."""
    bundle = load_bundle(path, roles=_roles(load_bundle(path, roles=()).manifest, able))
    fitting, lack = _fitting(bundle, able)
    if lack and len(fitting) == 1:
        nor = " or compared with fp32" if fitting[0].backend == OPENVINO else ""
        return _open_alone(path, fitting[0], options, f"{fitting[0].label}, not measured{nor}: {lack}")
    if len({each.backend for each in fitting}) > 1:
        found = measure_apart(path, bundle, fitting, options, left_out)
    else:
        found = measure_all(bundle, fitting, options, left_out)
    out = {**left_out, **found.left_out}
    if found.times is None:
        why = "; ".join([found.only, *exclusions(out)])
        return _open_alone(path, CpuCandidate.of(found.only), options, why, found.failures)
    if found.broken or lack:
        said = "; ".join(filter(None, (lack, "not kept, so that the next start measures")))
    else:
        said = keep(kept, ChoiceRecord.of(kept.key, found.times, found.left_out))
    where = "; ".join(filter(None, ("measured now", kept.remark, said)))
    return _open_chosen(path, options, found.times, out, where, found.failures)


def _roles(manifest: Manifest, able: Sequence[CpuCandidate]) -> set[str]:
    """The files that candidates run, and those that OpenVINO is compared on."""
    roles = {each.role for each in able}
    if any(each.backend == OPENVINO for each in able):
        roles |= {"model", *sample_roles(manifest.files)}
    return roles


def _fitting(bundle: Bundle, able: Sequence[CpuCandidate]) -> tuple[Sequence[CpuCandidate], str]:
    """Return the candidates that memory is there for, and how much all would take ("" if they fit)."""
    free = free_memory()
    sizes = {each: MEMORY_PER_FILE_BYTE * len(bundle.files[each.role]) for each in able}
    needed = sum(sizes.values())
    if free is None or needed <= free:
        return able, ""
    lack = f"all graphs together take {needed >> 20} MiB of memory, and {free >> 20} MiB are free"
    first = [each for each in able if each.backend == able[0].backend]
    if len(first) < len(able) and sum(sizes[each] for each in first) <= free:
        return first, lack
    if first[0].backend == OPENVINO:
        return first[:1], lack  # nothing shows that its others agree with fp32
    return [min(reversed(first), key=lambda each: sizes[each])], lack
