"""What `python -m benchmarks gpu` writes: JSON, a chapter of tables with aims, and a plot."""

from __future__ import annotations

import io
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.chapter import with_picture
from benchmarks.gpu_backends import ONNX_RUNTIME, TORCH
from selcon_ros.bench.machine import facts
from selcon_ros.bench.report import ReportRow, Table, markdown
from selcon_ros.core.files.atomic_write import write_file, write_json

if TYPE_CHECKING:
    from benchmarks.gpu import GpuResults
    from benchmarks.gpu_parts import GpuTask, Result

CHAPTER = "Paper-size network on a GPU", "Written by `python -m benchmarks gpu`."
TARGET_GPU = "H200"
HEADER = ("way", "precision", "batch", "median, ms", "p95, ms", "images/s", "peak", "error")
NOTES = [
    "Time: from images at the network's size (float32) in the process's memory, page-locked for a GPU, to "
    "the maps of all actions in the process's memory, for the whole batch. The torch backend of the robot, "
    "and ONNX Runtime in turns with it, take camera images of 640×480 (uint8) instead, which the graph "
    "resizes.",
    "Compiled: batch 1 by a program of its own, larger ones by one or two that leave their size open.",
    "Network: DINO ViT-S/16 and CLIP ViT-B/16 of timm at 224×224, 36 actions, random weights. In fp16 and "
    "bf16 all weights and layers have that type; the torch backend's fp16 graph keeps some in fp32.",
    "Error: root mean square error of the maps from those of the same network (of the torch backend: graph) "
    "in float64, relative to theirs, of the output where it is larger.",
    "Peak: the operations of an image (torch's count) times the images a second, as a share of the rate of "
    "one product of two large matrices in the same precision.",
    "The authors' code is their published repository with random weights: one call of `test_forward`, from "
    "an image of the network's size in the process's memory to maps there, in turns with ours.",
    "Training: the trainer's step at batch 8 (8 egocentric and 24 exocentric images), encoders included, in "
    "turns with a step of the authors' code; the Seen schedule is 37,620 such steps. Pictures are decoded "
    "before.",
]


def write(out: Path, task: GpuTask, found: GpuResults) -> None:
    """Write all that was found so far to the folder `out`; each file is whole at every moment."""
    machine = {**facts(), "device": _device(found), "size": task.size}
    data = {"machine": machine, "rows": [asdict(each) for each in gpu_rows(task, found)], **asdict(found)}
    write_json(out / "gpu.json", data)
    picture = None
    if find_spec("matplotlib") is not None and len(_times(found)) > 1:
        write_file(out / "gpu.png", _plot(found))
        picture = "gpu.png"
    text = markdown(gpu_rows(task, found), machine, NOTES, with_picture(CHAPTER, picture), [table(found)])
    write_file(out / "gpu.md", text.encode())


def gpu_rows(task: GpuTask, found: GpuResults) -> list[ReportRow]:
    """What was measured against its aims, which are for an H200 and the paper's size."""
    aimed = TARGET_GPU in _device(found) and task.size == "paper"
    where = TARGET_GPU if aimed else f"{_device(found)}, {task.size} network (aims are for an {TARGET_GPU})"
    times, none = _times(found), "nothing was timed"
    ours = [each for each in times if each["mode"] != ONNX_RUNTIME]
    first = min((each for each in ours if each["batch"] == 1), key=_median, default=None)
    most = max(ours, key=lambda each: float(each["images_per_second"]), default=None)
    turns = next(iter(found.results.get("authors", [])), None)
    best = min(found.results.get("onnxruntime", []), key=lambda each: float(each["ratio"]), default=None)
    step = next((each for each in found.results.get("training", []) if each["who"] == "ours"), None)
    one, ratio, rate, minutes = (
        None if each is None else float(each[name])
        for each, name in (
            (first, "median_ms"), (turns, "ratio"), (most, "images_per_second"), (step, "seen_minutes"),
        )
    )  # fmt: skip
    return [
        ReportRow(f"{where}: one image, fastest way", one, "ms", _way(first, found) or none, at_most=1.2),
        ReportRow(
            f"{where}: the authors' code against ours, one image", ratio, "",
            found.missing.get("authors", none) if turns is None
            else f"{turns['theirs_ms']:.3g} ms against {turns['ours_ms']:.3g} ms, {turns['mode']}",
            at_least=15,
        ),
        ReportRow(f"{where}: images a second", rate, "images/s", _way(most, found) or none, at_least=8000),
        ReportRow(
            f"{where}: the whole schedule of AGD20K Seen", minutes, "min",
            found.missing.get("training", none) if step is None else f"a step takes {step['step_ms']:.3g} ms",
            at_most=10,
        ),
        ReportRow(
            f"{where}: the torch backend against ONNX Runtime, where it is best",
            None if best is None else best["ratio"], "",
            found.missing.get("onnxruntime", none) if best is None
            else f"{best['torch_ms']:.3g} ms against {best['median_ms']:.3g} ms, {_way(best, found)}",
            at_most=1,
        ),
    ]  # fmt: skip


def table(found: GpuResults) -> Table:
    """Every way in every precision and batch."""
    peaks = {each["precision"]: each["peak"] for each in found.results.get("device", []) if "peak" in each}
    operations = next(
        (each["operations"] for each in found.results.get("device", []) if "operations" in each), 0
    )
    lines = []
    for each in _times(found):
        peak = peaks.get(each["precision"])
        share = operations * each["images_per_second"] / peak if peak else None
        error = _error(each, found)
        lines.append(
            (
                each["mode"], each["precision"], str(each["batch"]), f"{each['median_ms']:.3g}",
                f"{each['p95_ms']:.3g}", f"{each['images_per_second']:.4g}",
                "" if share is None else f"{100 * share:.0f} %", "" if error is None else f"{error:.1e}",
            )
        )  # fmt: skip
    return Table("Ways to run it", HEADER, tuple(lines), tuple(found.missing.items()))


def _times(found: GpuResults) -> list[Result]:
    every = [each for results in found.results.values() for each in results]
    return [each for each in every if "images_per_second" in each]


def _median(result: Result) -> float:
    return float(result["median_ms"])


def _error(result: Result, found: GpuResults) -> float | None:
    """The error in this precision, of the robot's backend its own."""
    if result["mode"] == ONNX_RUNTIME:
        return None
    own = result["mode"] if result["mode"] == TORCH else None
    every: list[dict[str, Any]] = [each for results in found.results.values() for each in results]
    return next(
        (
            float(each["error"])
            for each in every
            if "error" in each and (each["precision"], each.get("mode")) == (result["precision"], own)
        ),
        None,
    )


def _way(result: Result | None, found: GpuResults) -> str:
    if result is None:
        return ""
    error = _error(result, found)
    error_text = "" if error is None else f", error {error:.1e}"
    return f"{result['mode']}, {result['precision']}, batch {result['batch']}{error_text}"


def _device(found: GpuResults) -> str:
    device = found.results.get("device", [])
    return next((str(each["device"]) for each in device if "device" in each), "unknown device")


def _plot(found: GpuResults) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    times = _times(found)
    for mode, precision in dict.fromkeys((each["mode"], each["precision"]) for each in times):
        points = [
            (each["batch"], each["images_per_second"])
            for each in times
            if (each["mode"], each["precision"]) == (mode, precision)
        ]
        axes.plot(*zip(*points, strict=True), "o-", label=f"{mode}, {precision}")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("batch")
    axes.set_ylabel("images a second")
    axes.set_title(_device(found))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
