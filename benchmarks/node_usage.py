"""What the node uses of processor and memory: while it answers, and while nobody listens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.usage import Memory, cpu_seconds
from selcon_ros.bench.node import NodeTimes, listening
from selcon_ros.demo.processes import ChildProcess


@dataclass(frozen=True)
class NodeUsage(NodeTimes):
    """Times of a node that answers, and what it used.

    complete: messages a second of the output that came least often; dropped: camera images that a newer one
    replaced; cpu: its processor time for each heatmap in seconds; memory: at the end.
    """

    complete: float
    dropped: int
    cpu: float
    memory: Memory


@dataclass(frozen=True)
class IdleUsage:
    """What was measured of a node that nobody listens to: cores in use (0.01: 1 %), memory at the end."""

    cpu: float
    memory: Memory


def measure_usage(
    node: ChildProcess, recording: Path, action: str, topics: Sequence[str], rate: float, seconds: float
) -> NodeUsage:
    """Measure as `selcon_ros.bench.node.measure_node` does, and what the node uses meanwhile."""
    with listening(node, recording, topics, rate) as listener:
        listener.begin(action, lambda: bool(listener.arrivals), "no heatmap came")
        used = cpu_seconds(node.pid)
        listener.hear(seconds)
        times, heatmaps = listener.times(), len(listener.arrivals)
        dropped = [int(each.get("dropped_images", 0)) for each in listener.diagnostics]
        return NodeUsage(
            **vars(times),
            complete=times.rate * min(listener.counts.values()) / heatmaps,
            dropped=dropped[-1] - dropped[0],
            cpu=(cpu_seconds(node.pid) - used) / heatmaps,
            memory=Memory.of(node.pid),
        )


def measure_idle(node: ChildProcess, recording: Path, action: str, rate: float, seconds: float) -> IdleUsage:
    """Play `recording` to the node, which has an action, while nobody listens to its outputs.

    Raises BenchError where the node does not come to rest.
    """
    with listening(node, recording, (), rate) as listener:

        def is_resting() -> bool:
            """Whether the node has said that it would answer if anybody listened."""
            statuses = listener.diagnostics
            return bool(statuses) and statuses[-1]["state"].startswith("resting")

        listener.begin(action, is_resting, "the node did not come to rest")
        start, used = time.monotonic(), cpu_seconds(node.pid)
        listener.hear(seconds)
        share = (cpu_seconds(node.pid) - used) / (time.monotonic() - start)
        return IdleUsage(share, Memory.of(node.pid))
