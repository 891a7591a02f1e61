"""What the page says of the engines: tables of all that was measured, and rows held against their aims."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks.chapter import ExplainedTable
from benchmarks.engines import Measured
from benchmarks.paper_size import NAME
from benchmarks.subjects import Subject
from selcon_ros.bench.report import ReportRow
from selcon_ros.core.machine.processor import processor
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD

TARGET_GPU = "H200"
MIN_BATCH_GAIN = 1.1
"""So many times the images a second make a batch worth waiting for."""
HEADER = (
    "engine", "batch", "median, ms", "p95, ms", "images/s", "to batch 1", "memory, MiB", "KLD", "grasp, px",
    "error", "peak",
)  # fmt: skip
NOTES = [
    "Time: from camera images (640×480, uint8) in the process's memory to the maps of all actions in the "
    "process's memory, for the whole batch. Each engine runs in its own process. The processes are measured"
    " alternately, in blocks, and the first run of a block does not count. Each ratio is from one such "
    "measurement.",
    "To batch 1: images a second of this engine, divided by images a second of the same engine with one "
    "image at a time. Backends on the CPU process a batch image by image, so their differences are "
    "random.",
    "Memory on a CPU: how much the peak memory of the process grew since before it imported the engine and "
    "read the bundle. Memory on a GPU: the same for the GPU's memory, including the driver's share for the "
    "process. The value of a batch includes that of the smaller batches before it.",
    "KLD and grasp: KLD between the heatmaps and those of ONNX Runtime fp32 on the CPU, and how far the "
    "best grasp point moves (median, 95th percentile), on the bundle's samples. Error: relative root mean "
    "square error of the maps against the graph computed in float64 (needs torch).",
    "Peak: the rate of matrix product and convolution operations, as a share of the rate of one product of "
    "two large matrices in the same precision on the same device. That product is computed by numpy (CPU; "
    "ONNX Runtime for int8) or torch (GPU), alternately with the engines.",
    "Paper-size network: DINO ViT-S/16 and CLIP ViT-B/16 at 224×224, 36 actions, random weights. So KLD and"
    " grasp points on its maps say little about a trained network. PyTorch runs the same network in fp32, "
    "in eager and inference mode; its images are prepared as for ONNX Runtime.",
    "The authors' code is their published repository with random weights. A run is one step of their test "
    "loop: `test_forward` and the transfers, from images that are already loaded and resized to the map of "
    "one action for each image. It encodes that action's prompt every time.",
]

UNSTEADY_NOTE = (
    "Times of this run are unsteady: for some engines the 95th percentile is more than twice the median, as "
    "where other programs run. Its ratios are rough."
)


def notes(found: list[Measured]) -> list[str]:
    """How it was measured, and whether the machine was left alone."""
    unsteady = any(each.times and each.times.p95 > 2 * each.times.median for each in found)
    return [*NOTES, UNSTEADY_NOTE] if unsteady else NOTES


def tables(found: list[Measured]) -> list[ExplainedTable]:
    """One table for each bundle."""
    names = dict.fromkeys(each.bundle for each in found)
    return [_table(name, [each for each in found if each.bundle == name]) for name in names]


def engine_rows(found: list[Measured], gpu: str | None) -> list[ReportRow]:
    """What was measured on the paper-size network against its aims; `gpu` is the name of the GPU."""
    paper = [each for each in found if each.bundle == NAME]
    here = [each for each in paper if each.times is not None]
    device = (
        gpu if gpu and TARGET_GPU in gpu else f"{gpu}, aims are for an {TARGET_GPU}" if gpu else TARGET_GPU
    )
    on_gpu = [each for each in here if each.subject.device == "cuda" and each.subject.kind == "backend"]
    first = min((each for each in on_gpu if each.batch == 1), key=_median, default=None)
    most = max(on_gpu, key=lambda each: each.rate or 0, default=None)
    reason = "no engine of a GPU ran this network" if gpu else "no NVIDIA GPU here"
    result = [
        _row(f"{device}, paper-size: fastest engine, one image", first, "ms", reason, at_most=1.2),
        _times(
            f"{device}, paper-size: the authors' code against the fastest engine, one image",
            _with_one_image(here, "authors", "fp32", "cuda"), first, reason, at_least=15,
        ),
        ReportRow(
            f"{device}, paper-size: images a second in batches", None, "images/s", reason, at_least=8000,
        )
        if most is None
        else ReportRow(
            f"{device}, paper-size: images a second in batches", most.rate, "images/s",
            f"{most.engine}, batch {most.batch}", at_least=8000,
        ),
    ]  # fmt: skip
    fp32, int8 = (_with_one_image(here, "onnxruntime", each, "cpu") for each in ("fp32", "int8"))
    torch, authors = (_with_one_image(here, kind, "fp32", "cpu") for kind in ("torch", "authors"))
    result += [
        _times("CPU, paper-size: int8 against the authors' code", int8, authors, at_most=_int8_aim()),
        ReportRow("CPU, paper-size: int8, KLD from fp32", None, "", "see the table", at_most=MAX_KLD)
        if int8 is None or int8.accuracy is None
        else ReportRow(
            "CPU, paper-size: int8, KLD from fp32", int8.accuracy.agreement.kld_mean, "",
            f"random weights, worst {int8.accuracy.agreement.kld_max:.5f}", at_most=MAX_KLD,
        ),
        _times("CPU, paper-size: int8 against fp32, both in ONNX Runtime", int8, fp32),
        _times("CPU, paper-size: ONNX Runtime against PyTorch, fp32", fp32, torch, at_most=0.9),
    ]  # fmt: skip
    return result


def as_data(found: list[Measured]) -> list[dict[str, Any]]:
    """The measurements as JSON takes them."""
    return [{**asdict(each), "rate": each.rate} for each in found]


def _table(name: str, found: list[Measured]) -> ExplainedTable:
    single = {each.subject: each.rate for each in found if each.batch == 1}
    lines: list[tuple[str, ...]] = []
    gains: dict[str, float] = {}
    for each in found:
        if each.times is None or each.rate is None:
            continue
        title, alone = each.subject.full_title, single.get(each.subject)
        gain = each.rate / alone if alone and each.batch > 1 else None
        if gain is not None and not _one_by_one(each.subject):
            gains[title] = max(gain, gains.get(title, 0.0))
        lines.append(
            (
                title,
                str(each.batch),
                _digits(each.times.median),
                _digits(each.times.p95),
                _digits(each.rate),
                "" if gain is None else f"{gain:.2f}",
                "" if each.memory is None else f"{each.memory / 2**20:.0f}",
                *_accuracy(each),
                "" if each.share is None else f"{100 * each.share:.0f} %",
            )
        )
    missing = tuple((each.subject.full_title, each.reason) for each in found if each.times is None)
    return ExplainedTable(name, HEADER, tuple(lines), missing, (_batching(gains),) if gains else ())


def _one_by_one(subject: Subject) -> bool:
    """Whether a batch is run image by image, so that what differs is chance."""
    return (subject.kind, subject.device) == ("backend", "cpu")


def _accuracy(found: Measured) -> tuple[str, str, str]:
    if found.accuracy is None:
        return found.remark, "", ""
    agreement, error = found.accuracy.agreement, found.accuracy.error
    shift = f"{agreement.shift_median:.1f}, {agreement.shift_p95:.1f}"
    # Of a map from itself it is a rounding error below zero.
    return f"{max(0.0, agreement.kld_mean):.5f}", shift, "" if error is None else f"{error:.1e}"


def _batching(gains: dict[str, float]) -> str:
    pays = [
        f"{title} ({gain:.2f} times the images a second)"
        for title, gain in gains.items()
        if gain > MIN_BATCH_GAIN
    ]
    faster = "; ".join(pays) or "none"
    return (
        f"Engines that batches make faster (at least {MIN_BATCH_GAIN} times the images a second): {faster}."
    )


def _with_one_image(found: list[Measured], name: str, precision: str, device: str) -> Measured | None:
    """The measurement with one image of a backend or another kind of subject."""
    return next(
        (
            each
            for each in found
            if name in (each.subject.backend, each.subject.kind) and each.batch == 1
            and (each.subject.precision, each.subject.device) == (precision, device)
        ),
        None,
    )  # fmt: skip


def _row(what: str, found: Measured | None, unit: str, reason: str, at_most: float) -> ReportRow:
    if found is None or found.times is None:
        return ReportRow(what, None, unit, reason, at_most=at_most)
    detail = f"{found.engine}, p95 {found.times.p95:.2f} ms"
    return ReportRow(what, found.times.median, unit, detail, at_most=at_most)


def _int8_aim() -> float:
    """The share of the authors' time that int8 may take on this processor."""
    return 0.15 if any("vnni" in each or each == "amx_int8" for each in processor().flags) else 0.33


def _times(
    what: str,
    above: Measured | None,
    below: Measured | None,
    reason: str = "one of them was not measured",
    at_most: float | None = None,
    at_least: float | None = None,
) -> ReportRow:
    """The ratio of two medians."""
    if above is None or below is None or above.times is None or below.times is None:
        return ReportRow(what, None, "", reason, at_most, at_least)
    above_ms, below_ms = above.times.median, below.times.median
    detail = f"{_digits(above_ms)} ms against {_digits(below_ms)} ms"
    return ReportRow(what, above_ms / below_ms, "", detail, at_most, at_least)


def _median(found: Measured) -> float:
    assert found.times is not None
    return found.times.median


def _digits(value: float) -> str:
    """Three digits tell enough."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
