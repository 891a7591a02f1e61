"""What the page says of the engines: tables of all that was measured, and rows held against their aims."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks.engines import Measured
from benchmarks.paper_size import NAME
from benchmarks.subjects import Subject
from selcon_ros.bench.report import Row, Table
from selcon_ros.core.heatmap_agreement import TOLERANCE

AIMED_AT = "H200"
GAIN = 1.1
"""So many times the images a second make a batch worth waiting for."""
HEADER = (
    "engine", "batch", "median, ms", "p95, ms", "images/s", "to batch 1", "memory, MiB", "KLD", "grasp, px",
    "error", "peak",
)  # fmt: skip
NOTES = [
    "Time: from camera images of 640×480, uint8, in the process's memory to the maps of all actions there, "
    "of the whole batch. Each engine runs in a process of its own; the processes take turns, block by "
    "block, and the first run of a block does not count. Ratios are of one such run.",
    "To batch 1: the ratio of images a second, of the same engine with one image at a time. ONNX Runtime on "
    "the CPU takes a batch image by image: what differs there is chance.",
    "Memory: on a CPU the growth of the process's peak since before it imported the engine and read the "
    "bundle; on a GPU that of the memory in use there, the driver's own for the process included. A "
    "batch's includes that of the smaller ones before it.",
    "KLD of the heatmaps, and how far the best grasp point moves (median, 95th percentile): from ONNX "
    "Runtime fp32 on the CPU, on the bundle's samples. Error: of the maps there from the graph's in float64, "
    "root mean square, relative (needs torch).",
    "Peak: operations of the graph's products and convolutions in the time, as a share of what a product of "
    "two large matrices of the same precision reached on the device, in turns with the engines: by numpy "
    "and, for int8, ONNX Runtime on a CPU, by torch on a GPU.",
    "Paper-size network: DINO ViT-S/16 and CLIP ViT-B/16 at 224×224, 36 actions, random weights: KLD and "
    "grasp points on its maps say little about a trained network. PyTorch runs the same network in fp32, "
    "eager, in inference mode; its images are prepared as for ONNX Runtime.",
    "The authors' code is their published repository with random weights; a run is the step of their test, "
    "`test_forward` and the transfers, from images that are loaded and resized already to the maps of one "
    "action for each. It encodes that action's prompts every time.",
]

UNSTEADY = (
    "Times of this run are unsteady: for some engines the 95th percentile is more than twice the median, as "
    "where other programs run. Its ratios are rough."
)


def notes(found: list[Measured]) -> list[str]:
    """How it was measured, and whether the machine was left alone."""
    unsteady = any(each.times and each.times.p95 > 2 * each.times.median for each in found)
    return [*NOTES, UNSTEADY] if unsteady else NOTES


def tables(found: list[Measured]) -> list[Table]:
    """One table for each bundle."""
    names = dict.fromkeys(each.bundle for each in found)
    return [_table(name, [each for each in found if each.bundle == name]) for name in names]


def rows(found: list[Measured], gpu: str | None) -> list[Row]:
    """What was measured on the paper-size network against its aims; `gpu` is the name of the GPU."""
    paper = [each for each in found if each.bundle == NAME]
    here = [each for each in paper if each.times is not None]
    device = gpu if gpu and AIMED_AT in gpu else f"{gpu}, aims are for an {AIMED_AT}" if gpu else AIMED_AT
    on_gpu = [each for each in here if each.subject.device == "cuda" and each.subject.kind == "backend"]
    first = min((each for each in on_gpu if each.batch == 1), key=_median, default=None)
    most = max(on_gpu, key=lambda each: each.rate or 0, default=None)
    reason = "no engine of a GPU ran this network" if gpu else "no NVIDIA GPU here"
    result = [
        _row(f"{device}, paper-size: fastest engine, one image", first, "ms", reason, at_most=1.2),
        _times(
            f"{device}, paper-size: the authors' code against the fastest engine, one image",
            _one(here, "authors", "fp32", "cuda"), first, reason, at_least=15,
        ),
        Row(f"{device}, paper-size: images a second in batches", None, "images/s", reason, at_least=8000)
        if most is None
        else Row(
            f"{device}, paper-size: images a second in batches", most.rate, "images/s",
            f"{most.engine}, batch {most.batch}", at_least=8000,
        ),
    ]  # fmt: skip
    fp32, int8 = (_one(here, "onnxruntime", each, "cpu") for each in ("fp32", "int8"))
    torch, authors = (_one(here, kind, "fp32", "cpu") for kind in ("torch", "authors"))
    result += [
        _times("CPU, paper-size: int8 against the authors' code", int8, authors, at_most=0.25),
        Row("CPU, paper-size: int8, KLD from fp32", None, "", "see the table", at_most=TOLERANCE)
        if int8 is None or int8.accuracy is None
        else Row(
            "CPU, paper-size: int8, KLD from fp32", int8.accuracy.agreement.kld_mean, "",
            f"random weights, worst {int8.accuracy.agreement.kld_max:.5f}", at_most=TOLERANCE,
        ),
        _times("CPU, paper-size: int8 against fp32, both in ONNX Runtime", int8, fp32),
        _times("CPU, paper-size: ONNX Runtime against PyTorch, fp32", fp32, torch, at_most=0.9),
    ]  # fmt: skip
    return result


def as_data(found: list[Measured]) -> list[dict[str, Any]]:
    """The measurements as JSON takes them."""
    return [{**asdict(each), "rate": each.rate} for each in found]


def _table(name: str, found: list[Measured]) -> Table:
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
    return Table(name, HEADER, tuple(lines), missing, (_batching(gains),) if gains else ())


def _one_by_one(subject: Subject) -> bool:
    """Whether a batch is run image by image, so that what differs is chance."""
    return (subject.backend, subject.device) == ("onnxruntime", "cpu")


def _accuracy(found: Measured) -> tuple[str, str, str]:
    if found.accuracy is None:
        return found.remark, "", ""
    agreement, error = found.accuracy.agreement, found.accuracy.error
    shift = f"{agreement.shift_median:.1f}, {agreement.shift_p95:.1f}"
    # Of a map from itself it is a rounding error below zero.
    return f"{max(0.0, agreement.kld_mean):.5f}", shift, "" if error is None else f"{error:.1e}"


def _batching(gains: dict[str, float]) -> str:
    pays = [f"{title} ({gain:.2f} times the images a second)" for title, gain in gains.items() if gain > GAIN]
    return f"Batches pay for: {'; '.join(pays) or 'none of these engines'}."


def _one(found: list[Measured], name: str, precision: str, device: str) -> Measured | None:
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


def _row(what: str, found: Measured | None, unit: str, reason: str, at_most: float) -> Row:
    if found is None or found.times is None:
        return Row(what, None, unit, reason, at_most=at_most)
    detail = f"{found.engine}, p95 {found.times.p95:.2f} ms"
    return Row(what, found.times.median, unit, detail, at_most=at_most)


def _times(
    what: str,
    above: Measured | None,
    below: Measured | None,
    reason: str = "one of them was not measured",
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    """The ratio of two medians."""
    if above is None or below is None or above.times is None or below.times is None:
        return Row(what, None, "", reason, at_most, at_least)
    above_ms, below_ms = above.times.median, below.times.median
    detail = f"{_digits(above_ms)} ms against {_digits(below_ms)} ms"
    return Row(what, above_ms / below_ms, "", detail, at_most, at_least)


def _median(found: Measured) -> float:
    assert found.times is not None
    return found.times.median


def _digits(value: float) -> str:
    """Three digits tell enough."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
