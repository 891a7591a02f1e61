"""All measurements of `selcon bench`, in order, as rows of its report."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.bench.machine import use_cores
from selcon_ros.bench.node import measure_node
from selcon_ros.bench.report import ReportRow
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.machine.timing import time_alternately
from selcon_ros.demo.collector import GRASP_POINTS, HEATMAP, MARKERS, OVERLAY
from selcon_ros.demo.orchestration import node_process
from selcon_ros.demo.processes import isolate
from selcon_ros.recording import read_recording

HEATMAP_ONLY = (HEATMAP,)
EVERYTHING = (HEATMAP, OVERLAY, GRASP_POINTS, MARKERS)
TARGET_RATE = 20.0
ANSWERED_SHARE = 0.98
"""Of the images of a slower camera: those at the ends of a measurement may be missed."""
NOTES = [
    "Camera message to heatmap message: `selcon play` publishes the recording as raw images with depth, at "
    "the given rate. The node and a subscriber are separate processes. All run on the cores named above. "
    "The time starts with the stamp that the player sets just before it publishes a frame, and ends when "
    "the subscriber has the heatmap's bytes.",
    "Overhead beyond inference: the node's own median over its last answers. It is the time from the "
    "worker's start until the heatmap is published, minus the time in the engine. It covers decoding, "
    "refining, upsampling and publishing. Resizing and normalising count as engine time.",
    "All actions against one: from one camera image to heatmaps at the camera's resolution, in one process,"
    " measured alternately.",
]


def measure(bundle: Path, recording: Path, cores: int, rate: float, seconds: float) -> list[ReportRow]:
    """Measure everything and return the rows of the report.

    cores: how many this process and its children may use; rate: camera frames a second; seconds: how long
    each node measurement runs. Raises BenchError where the node does not answer.
    """
    use_cores(cores)
    console = Console(stderr=True)
    model = load_bundle(bundle)
    played = read_recording(recording)
    model_name, known = model.manifest.name, model.manifest.actions
    action = next((each for each in played.actions if each in known), known[0])
    rows: list[ReportRow] = []
    with tempfile.TemporaryDirectory() as logs:
        isolate(Path(logs))
        for title, topics in (("heatmap alone", HEATMAP_ONLY), ("all outputs", EVERYTHING)):
            with console.status(f"node, {title} subscribed"):
                node = node_process(bundle, Path(logs) / "grounding_node.log")
                times = measure_node(node, recording, action, topics, rate, seconds)
            strict = topics is HEATMAP_ONLY
            name = f"{model_name}, {title} subscribed"
            rows += [
                ReportRow(
                    f"{name}: camera message to heatmap message, median",
                    times.latency.median,
                    "ms",
                    f"p95 {times.latency.p95:.1f} ms, {times.latency.count} frames",
                    at_most=60 if strict else None,
                ),
                ReportRow(
                    f"{name}: heatmaps a second",
                    times.rate,
                    "Hz",
                    f"camera at {rate:g} Hz",
                    at_least=min(TARGET_RATE, ANSWERED_SHARE * rate) if strict else None,
                ),
                ReportRow(
                    f"{name}: node overhead beyond inference, median",
                    times.overhead_ms,
                    "ms",
                    f"inference {times.inference_ms:.1f} ms in {times.engine}",
                    at_most=6 if strict else None,
                ),
            ]
    with console.status("one action and all actions of a frame"):
        grounder, image = Grounder(model, open_on_cpu(model)), played.frames[0].image

        def ground(actions: tuple[str, ...]) -> None:
            grounding = grounder.ground(image)
            for each in actions:
                grounding.heatmap(each)

        turns = {"one": partial(ground, known[:1]), "all": partial(ground, known)}
        found = time_alternately(turns, rounds=5, runs=20)
    one, every = found["one"].median, found["all"].median
    what = f"{model_name}: all {len(known)} actions of a frame against one"
    rows.append(ReportRow(what, every / one, "", f"{every:.1f} ms against {one:.1f} ms", at_most=1.1))
    return rows
