"""How long candidates on a CPU take, in turns, and which of them that makes the choice."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import numpy as np

from selcon_ros.backends.base import CPU_BACKEND, OPENVINO, Backend
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.engines.choice_record import CpuTimes
from selcon_ros.engines.cpu_candidates import EXACT_PRECISION, CpuCandidate

MAX_TIME_SHARE = 0.9
"""Share of fp32's time above which another precision is not worth its rounding, nor the noise of a second."""
MIN_OPENVINO_SPEEDUP = 1.3
"""How many times faster than ONNX Runtime's fastest OpenVINO must be."""
TIMING_SECONDS = 1.0
MIN_TURNS, MAX_TURNS = 3, 50
"""Turns of each: slow networks have the least, in whatever time; nobody needs more than the most."""


def measure(backends: Mapping[str, Backend], manifest: Manifest) -> CpuTimes:
    """Time backends by the label of their candidate, in turns; the first is the reference.

    It is this process's time on all cores that counts, and a share is that of two runs in a row: on a loaded
    machine the clock, and the shortest run by it, differ by a factor of two from one second to the next.
    """
    frame = np.random.default_rng(0).integers(0, 256, (1, *manifest.input_size, 3), np.uint8)
    spent: dict[str, list[float]] = {label: [] for label in backends}
    reference = next(iter(backends))
    begin = time.perf_counter()
    while (rounds := len(spent[reference])) < MIN_TURNS or (
        rounds < MAX_TURNS and time.perf_counter() - begin < TIMING_SECONDS
    ):
        for label, backend in backends.items():
            start = time.process_time()
            backend.run(frame)
            spent[label].append(1e3 * (time.process_time() - start))
    base = np.maximum(spent[reference], 1e-6)
    return CpuTimes(
        {label: float(np.median(each)) for label, each in spent.items()},
        {label: float(np.median(each / base)) for label, each in spent.items()},
        len(base),
        reference,
    )


def fastest(times: CpuTimes, left_out: Collection[str] = ()) -> str:
    """Return the label of what to run, of those that are not left out; there must be one.

    Of a backend it is fp32, unless another precision takes at most MAX_TIME_SHARE of its time: then the
    fastest. It is ONNX Runtime's, unless OpenVINO's is at least MIN_OPENVINO_SPEEDUP times faster than each
    of ONNX Runtime's.
    """
    shares: dict[str, dict[str, float]] = {}
    for label, share in times.shares.items():
        if label not in left_out:
            shares.setdefault(CpuCandidate.of(label).backend, {})[label] = share
    best = {backend: _best(each) for backend, each in shares.items()}
    if CPU_BACKEND not in best:
        return best[OPENVINO]
    theirs = best.get(OPENVINO)
    if theirs is not None and MIN_OPENVINO_SPEEDUP * shares[OPENVINO][theirs] <= min(
        shares[CPU_BACKEND].values()
    ):
        return theirs
    return best[CPU_BACKEND]


def explanation(times: CpuTimes, left_out: Mapping[str, str], where: str) -> str:
    """Say what was chosen and why; `where` says where the times come from."""
    chosen, base = fastest(times, left_out), times.reference
    others = [label for label in times.shares if label not in (base, *left_out)]
    if not others:
        text = f"{chosen} ({where})"
    else:
        shown = min(others, key=lambda label: times.shares[label]) if chosen == base else chosen
        share = f"{times.shares[shown]:.2f}"
        facts = [f"{times.milliseconds[shown]:.3g} ms against {times.milliseconds[base]:.3g} ms of CPU"]
        facts += [f"{label} {times.shares[label]:.2f}" for label in others if label != shown]
        if chosen == base:
            text = f"{chosen}, for {shown} takes {share} of its time, not at most {_limit(times, shown):.2g}"
        else:
            text = f"{chosen}, which takes {share} of the time of {base}"
            if CpuCandidate.of(chosen).backend == CPU_BACKEND and any(
                CpuCandidate.of(label).backend == OPENVINO for label in others
            ):
                facts.append(f"OpenVINO must be at least {MIN_OPENVINO_SPEEDUP:g} times faster")
        text = f"{text} ({'; '.join([*facts, where])})"
    return "; ".join([text, *exclusions(left_out)])


def exclusions(left_out: Mapping[str, str]) -> list[str]:
    """Say what may not be chosen."""
    return [f"without {label}: {reason}" for label, reason in left_out.items()]


def _best(shares: Mapping[str, float]) -> str:
    """Return which precision of a backend to run."""
    quickest = min(shares, key=lambda label: shares[label])
    exact = next((label for label in shares if CpuCandidate.of(label).precision == EXACT_PRECISION), quickest)
    return quickest if shares[quickest] <= MAX_TIME_SHARE * shares[exact] else exact


def _limit(times: CpuTimes, label: str) -> float:
    """The share of the reference's time that a candidate must not exceed."""
    same = CpuCandidate.of(label).backend == CpuCandidate.of(times.reference).backend
    ours = [share for each, share in times.shares.items() if CpuCandidate.of(each).backend == CPU_BACKEND]
    return MAX_TIME_SHARE if same else min(ours) / MIN_OPENVINO_SPEEDUP
