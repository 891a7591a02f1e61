"""Which candidates on a CPU run, how long they take, and whether OpenVINO's answers are those of fp32.

Both engines together are measured in another process: OpenVINO's libraries stay in one that has loaded them,
with some 60 MB, also where it is not chosen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from selcon_ros.backends.base import CPU_BACKEND, OPENVINO, Backend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError, SelconError
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.machine.python_trial import try_python
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD
from selcon_ros.engines.choice_record import CpuTimes
from selcon_ros.engines.comparison import compare_with_fp32
from selcon_ros.engines.cpu_candidates import EXACT_PRECISION, CpuCandidate, open_all
from selcon_ros.engines.cpu_timing import fastest, measure

TRIAL_SECONDS = 300.0
"""After which a measurement in another process is given up: a network of the paper's size takes minutes on a
slow computer."""
_RESULT = "selcon_ros measured: "


@dataclass(frozen=True)
class Measurement:
    """What was found of candidates.

    times: None where only one runs, of ONNX Runtime; only: its label then; left_out: what is not to be
    chosen, and why; failures: engines that should run, but do not, and why; broken: whether a candidate that
    should run does not, so that this is not to be kept.
    """

    times: CpuTimes | None
    only: str
    left_out: dict[str, str]
    failures: tuple[str, ...]
    broken: bool


def measure_all(
    bundle: Bundle, able: Sequence[CpuCandidate], options: CpuOptions, left_out: Mapping[str, str]
) -> Measurement:
    """Open all candidates in this process, time them in turns, and close them.

    bundle: with their files; left_out: what is not to be chosen anyway. Raises BackendError where nothing is
    left to run.
    """
    opened, faults = open_all(bundle, able, options)
    # Where OpenVINO runs the fp32 graph, that it has no bf16 here or cannot read an int8 graph is no fault.
    broken = [each for each in faults if each.backend == CPU_BACKEND or each.precision == EXACT_PRECISION]
    failures = tuple(f"{each.label}: {faults[each]}" for each in broken if each.backend != CPU_BACKEND)
    reasons = {
        each.label: f"it does not run: {fault}" if each in broken else fault for each, fault in faults.items()
    }
    times = None
    try:
        if len(opened) > 1 or all(each.backend == OPENVINO for each in opened):
            times = measure({each.label: backend for each, backend in opened.items()}, bundle.manifest)
            reasons |= _disagreeing(bundle, opened, times, {**left_out, **reasons})
    finally:
        for backend in opened.values():
            backend.close()
    return Measurement(times, "" if times else next(iter(opened)).label, reasons, failures, bool(broken))


def measure_apart(
    path: Path,
    bundle: Bundle,
    able: Sequence[CpuCandidate],
    options: CpuOptions,
    left_out: Mapping[str, str],
) -> Measurement:
    """As `measure_all`, in another process, of the bundle at `path`.

    Where that process fails, OpenVINO is left out, and the others are measured in this one. Raises what
    `options.check` does, too.
    """
    given = {
        "path": str(path),
        "roles": sorted(bundle.files),
        "able": [each.label for each in able],
        "threads": options.threads,
        "cores": options.cores,
        "spinning": options.spinning,
        "left_out": dict(left_out),
    }
    code = f"from {__name__} import trial; trial({json.dumps(given)!r})"
    lines, fault = try_python(code, TRIAL_SECONDS, options.check)
    found = next((line for line in reversed(lines or []) if line.startswith(_RESULT)), None)
    if found is not None:
        return _from_json(found.removeprefix(_RESULT))
    fault = f"its trial {fault or 'fails: it ended without a result'}"
    own = [each for each in able if each.backend != OPENVINO]
    rest = measure_all(bundle, own, options, left_out)
    return replace(
        rest,
        left_out={**rest.left_out, OPENVINO: fault},
        failures=(*rest.failures, f"{OPENVINO}: {fault}"),
        broken=True,
    )


def trial(text: str) -> None:
    """What the other process does: measure what a JSON text says, and print the result."""
    given = json.loads(text)
    bundle = load_bundle(given["path"], given["roles"])
    able = [CpuCandidate.of(label) for label in given["able"]]
    options = CpuOptions(given["threads"], tuple(given["cores"]), given["spinning"])
    try:
        found = asdict(measure_all(bundle, able, options, given["left_out"]))
    except BackendError as error:
        found = {"error": str(error)}
    print("\n" + _RESULT + json.dumps(found), flush=True)


def _from_json(text: str) -> Measurement:
    """Read what `trial` printed. Raises the BackendError that it met."""
    values = json.loads(text)
    if "error" in values:
        raise BackendError(values["error"])
    times = None if values["times"] is None else CpuTimes(**values["times"])
    return Measurement(**{**values, "times": times, "failures": tuple(values["failures"])})


def _disagreeing(
    bundle: Bundle, opened: Mapping[CpuCandidate, Backend], times: CpuTimes, left_out: Mapping[str, str]
) -> dict[str, str]:
    """Return the labels of what would be chosen, if its answers were those of fp32, and how far they are.

    Raises BackendError where nothing else is left.
    """
    refused: dict[str, str] = {}
    exact = opened.get(CpuCandidate(CPU_BACKEND, EXACT_PRECISION))
    while (label := fastest(times, {**left_out, **refused})) and CpuCandidate.of(label).backend == OPENVINO:
        backend = opened[CpuCandidate.of(label)]
        try:
            found = compare_with_fp32(bundle, backend, read_samples(bundle), exact)
        except SelconError as error:
            refused[label] = f"it cannot be compared with fp32: {error}"
        else:
            if found.within(MAX_KLD):
                return refused
            refused[label] = found.too_far(backend.name, MAX_KLD)
        if times.shares.keys() <= {**left_out, **refused}.keys():
            raise BackendError("; ".join(refused.values()))
    return refused
