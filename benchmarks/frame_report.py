"""What `python -m benchmarks frame` writes: rows, tables and notes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from benchmarks.chapter import ExplainedTable
from benchmarks.frame import FRAME_COUNT, LIBRARIES, MEAN_STAGES, FramePlan, MeasuredVersion
from benchmarks.node_usage import NodeUsage
from selcon_ros.bench.report import ReportRow

STAGES = {
    "wait": "wait for messages: processor time",
    "receive": "receive messages",
    "decode": "decode the image",
    "network": "resize and network",
    "heatmap": "heatmap at the image's size",
    "heatmap message": "heatmap message",
    "depth": "depth in metres",
    "grasps": "grasp search",
    "overlay": "draw the overlay",
    "overlay message": "overlay message",
    "other messages": "other messages",
}
"""The stages of `frame_node.py` in the order of a frame, and what they are called."""
MEGABYTE = 1e6


def middle(values: Iterable[float]) -> float:
    """The median of the rounds."""
    return statistics.median(values)


def frame_rows(
    before: MeasuredVersion, now: MeasuredVersion, plan: FramePlan, libraries: int
) -> list[ReportRow]:
    """The lines of the chapter's first table: now, with the earlier version's figure in brackets."""
    name = before.version.name

    def both(what: Callable[[MeasuredVersion], float]) -> tuple[float, float]:
        return what(before), what(now)

    kept = both(lambda each: middle(map(_complete, each.everything)) / middle(map(_rate, each.heatmap)))
    tail = both(lambda each: middle(map(_tail, each.everything)))
    alone = both(lambda each: middle(map(_tail, each.heatmap)))
    cpu = both(lambda each: middle(node.cpu for node in each.everything))
    idle = both(lambda each: 100 * middle(node.cpu for node in each.idle))
    memory = both(lambda each: middle(node.memory.resident for node in each.everything) / MEGABYTE)
    parts = now.everything[-1].memory
    dropped = both(lambda each: max(node.dropped for node in each.everything))
    complete = both(lambda each: middle(map(_complete, each.everything)))
    frames = plan.rate * plan.seconds
    found = [
        ReportRow(
            "all outputs subscribed: results a second against heatmap alone",
            kept[1],
            "",
            f"{complete[1]:.1f} Hz; {name}: {kept[0]:.2f}, {complete[0]:.1f} Hz",
            at_least=0.95,
        ),
        ReportRow(
            f"all outputs subscribed: camera images dropped, of about {frames:.0f}",
            dropped[1],
            "",
            f"the worst of {plan.rounds} rounds; {name}: {dropped[0]:.0f}",
            at_most=0,
        ),
        _ratio("grasp search of one action", before.grasps, now.grasps, name),
        _overlay(before.milliseconds["overlay"], now.milliseconds["overlay"], name),
        ReportRow(
            "all outputs subscribed: camera message to heatmap message, p95 against median inference",
            tail[1],
            "",
            f"{_spread(now.everything)}; {name}: {tail[0]:.2f}, {_spread(before.everything)}",
            at_most=2,
        ),
        ReportRow(
            "heatmap alone subscribed: camera message to heatmap message, p95 against median inference",
            alone[1],
            "",
            f"{_spread(now.heatmap)}; {name}: {alone[0]:.2f}, {_spread(before.heatmap)}",
        ),
        _several("heatmaps of all actions against one", "all", "one", before, now, 1.05),
        _several(
            "heatmaps and grasp points of all actions against one",
            "all with grasps",
            "one with grasps",
            before,
            now,
            1.3,
        ),
        ReportRow(
            f"all outputs subscribed: processor time of the node for each answer, against {name}",
            cpu[1] / cpu[0],
            "",
            f"{1e3 * cpu[1]:.1f} ms against {1e3 * cpu[0]:.1f} ms",
            at_most=0.5,
        ),
        ReportRow(
            "nobody listens, the camera runs: processor time of the node",
            idle[1],
            "% of a core",
            f"{name}: {idle[0]:.1f} %",
            at_most=1,
        ),
        ReportRow(
            "all outputs subscribed: resident memory of the node",
            memory[1],
            "MB",
            f"libraries {parts.files / MEGABYTE:.0f}, shared with other processes "
            f"{parts.shared / MEGABYTE:.0f}, its own {parts.own / MEGABYTE:.0f}; {name}: {memory[0]:.0f} MB",
            at_most=150,
        ),
        ReportRow(
            "a process that has imported the node's libraries: resident memory",
            libraries / MEGABYTE,
            "MB",
        ),
        _start("import selcon_ros", "import", before, now, 0.15),
        _start("selcon --help", "help", before, now, 0.25),
    ]
    return found


def tables(found: list[MeasuredVersion]) -> list[ExplainedTable]:
    """Where the time of a frame goes: stage by stage, in milliseconds."""
    header = ("stage", *(each.version.name for each in found))
    lines = []
    for stage, title in STAGES.items():
        spent = [sum(stages.get(stage, 0.0) for stages in each.budget.values()) for each in found]
        if any(spent):
            lines.append((title, *(f"{each:.2f}" for each in spent)))
    below = tuple(
        f"Threads of {each.version.name}: "
        + "; ".join(
            f"{thread} {sum(stages.values()):.1f} ms" for thread, stages in sorted(each.budget.items())
        )
        + "."
        for each in found
    )
    return [ExplainedTable("Budget of a frame, ms", header, tuple(lines), below=below)]


def notes(before: MeasuredVersion, plan: FramePlan) -> list[str]:
    """How it was measured."""
    name = before.version.name
    return [
        f"{name} and this version run the bundle that {name} has in its package, in fp32, in turns: "
        f"{plan.rounds} rounds of the node, {plan.seconds:g} s each after a start and a warm-up, and "
        f"{plan.blocks} blocks of the rest. Figures are medians of the rounds, ratios those of the medians.",
        "The node: camera (`selcon play` of this version's recording, 640×480 raw with depth, "
        f"{plan.rate:g} Hz), listener and node are three processes on the same cores. All outputs: heatmap, "
        "overlay, grasp points and markers. Results a second are those of the output that came least often.",
        "Grasp search: processor time of one thread, from the network's maps on (before 0.2.0: from the "
        "heatmap on), in every third frame of the recording for every action that the model is sure of; the "
        "least of 21 runs.",
        f"Overlay: of {FRAME_COUNT} frames of the recording and their sure actions, from the heatmap on. All "
        "actions: of these frames, from the camera image on. Both in one process, wall-clock time.",
        "Processor time: of the node's process, all threads (utime and stime). Memory: RSS after the "
        "measurement; what is shared with other processes are Fast DDS's segments. Its libraries: "
        f"`{LIBRARIES}`.",
        "import, --help: from the start of the process to its end, with Python's own start.",
        "Budget: the node's functions are wrapped, all outputs are subscribed. A stage is the median of its "
        f"calls (the mean for {' and '.join(STAGES[each] for each in MEAN_STAGES)}, whose calls differ), "
        "times calls for each answered image, without the stages in it. It is wall-clock time: where threads "
        "share cores, they wait for each other in it. What the middleware does in its own threads is not "
        "seen.",
    ]


def as_data(found: list[MeasuredVersion]) -> list[dict[str, Any]]:
    """The measurements as JSON takes them."""
    return [
        {
            "version": each.version.name,
            "grasps": each.grasps,
            "milliseconds": each.milliseconds,
            "starts": each.starts,
            "heatmap": [asdict(node) for node in each.heatmap],
            "everything": [asdict(node) for node in each.everything],
            "idle": [asdict(node) for node in each.idle],
            "budget": each.budget,
        }
        for each in found
    ]


def _rate(node: NodeUsage) -> float:
    return node.rate


def _complete(node: NodeUsage) -> float:
    return node.complete


def _tail(node: NodeUsage) -> float:
    return node.latency.p95 / node.inference_ms


def _spread(nodes: list[NodeUsage]) -> str:
    p95, inference = middle(each.latency.p95 for each in nodes), middle(each.inference_ms for each in nodes)
    return f"{p95:.0f} ms against {inference:.1f} ms"


def _ratio(what: str, before: list[float], now: list[float], name: str) -> ReportRow:
    what = f"{what}, against {name}"
    if not before:
        return ReportRow(what, None, "", "the model is sure of no action in the recording", at_most=0.25)
    old, new = middle(before), middle(now)
    return ReportRow(
        what, new / old, "", f"{new:.2f} ms against {old:.2f} ms, medians of {len(now)}", at_most=0.25
    )


def _overlay(before: list[float], now: list[float], name: str) -> ReportRow:
    old, new = statistics.fmean(before), statistics.fmean(now)
    detail = (
        f"means {new:.2f} ms against {old:.2f} ms; "
        f"medians {middle(now):.2f} ms against {middle(before):.2f} ms"
    )
    return ReportRow(f"overlay, all pictures together, against {name}", new / old, "", detail, at_most=0.25)


def _several(
    what: str, many: str, one: str, before: MeasuredVersion, now: MeasuredVersion, at_most: float
) -> ReportRow:
    old, new = (each.times(many).median / each.times(one).median for each in (before, now))
    detail = (
        f"{now.times(many).median:.1f} ms against {now.times(one).median:.1f} ms; "
        f"{before.version.name}: {old:.2f}"
    )
    return ReportRow(what, new, "", detail, at_most=at_most)


def _start(what: str, name: str, before: MeasuredVersion, now: MeasuredVersion, at_most: float) -> ReportRow:
    old, new = (middle(each.starts[name]) / 1e3 for each in (before, now))
    return ReportRow(f"`{what}`", new, "s", f"{before.version.name}: {old:.2f} s", at_most=at_most)
