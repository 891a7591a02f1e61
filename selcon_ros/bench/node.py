"""From camera message to heatmap message: camera, node and listener as three processes on the same cores."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from selcon_ros.core.errors import SelconError
from selcon_ros.core.timing import Times
from selcon_ros.demo.collector import (
    ACTION,
    DIAGNOSTICS,
    GRASP_POINTS,
    HEATMAP,
    MARKERS,
    OVERLAY,
    TYPES,
    stamp_ns,
)
from selcon_ros.demo.orchestration import node_process, player_process
from selcon_ros.demo.processes import PythonProcess

HEATMAP_ONLY = (HEATMAP,)
EVERYTHING = (HEATMAP, OVERLAY, GRASP_POINTS, MARKERS)
_START_SECONDS = 120.0
_WARM_UP_SECONDS = 3.0


class BenchError(SelconError):
    """Something that was to be measured did not come."""


@dataclass(frozen=True)
class NodeTimes:
    """latency: camera stamp to arrival of the heatmap; rate: heatmaps a second; the node's medians."""

    latency: Times
    rate: float
    inference_ms: float
    overhead_ms: float
    engine: str


class _Listener(Node):
    def __init__(self, topics: tuple[str, ...]) -> None:
        super().__init__("selcon_bench")
        self.arrivals: list[tuple[int, int]] = []
        self.diagnostics: dict[str, str] = {}
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.action = self.create_publisher(String, ACTION, qos)
        for topic in topics:
            callback = self._on_heatmap if topic == HEATMAP else _ignore
            # Raw: deserialising pictures in this process would be measured as the node's latency.
            self.create_subscription(TYPES[topic], topic, callback, qos, raw=True)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, qos)

    def _on_heatmap(self, data: bytes) -> None:
        self.arrivals.append((stamp_ns(data), time.time_ns()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {entry.key: entry.value for entry in message.status[0].values}

    def spin_until(
        self, condition: Callable[[], bool], seconds: float, processes: list[PythonProcess]
    ) -> bool:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            for process in processes:
                process.check()
            rclpy.spin_once(self, timeout_sec=0.1)
        return condition()


def measure_node(
    bundle: Path,
    recording: Path,
    action: str,
    logs: Path,
    topics: tuple[str, ...] = HEATMAP_ONLY,
    rate: float = 30.0,
    seconds: float = 20.0,
) -> NodeTimes:
    """Play `recording` at `rate` frames a second to the node, and time its heatmaps of `action`.

    topics: what is subscribed, and so computed. Needs `selcon_ros.demo.processes.isolate` before.
    Raises BenchError where no heatmap comes.
    """
    rclpy.init()
    try:
        listener = _Listener(topics)
        node = node_process(bundle, logs / "grounding_node.log")
        player = player_process(recording, logs / "player.log", rate)
        with node, player:
            processes = [node, player]
            up = listener.spin_until(
                lambda: listener.action.get_subscription_count() > 0, _START_SECONDS, processes
            )
            listener.action.publish(String(data=action))
            if not up or not listener.spin_until(lambda: bool(listener.arrivals), _START_SECONDS, processes):
                raise BenchError(f"no heatmap came within {_START_SECONDS:.0f} s; see {node.log}")
            listener.spin_until(lambda: False, _WARM_UP_SECONDS, processes)
            listener.arrivals.clear()
            listener.spin_until(lambda: False, seconds, processes)
    finally:
        rclpy.try_shutdown()
    return _summary(listener)


def _summary(listener: _Listener) -> NodeTimes:
    arrivals, values = listener.arrivals, listener.diagnostics
    if len(arrivals) < 2 or "overhead_ms" not in values:
        raise BenchError(f"only {len(arrivals)} heatmaps came, too few to take a median of")
    return NodeTimes(
        latency=Times.of([(arrived - taken) / 1e6 for taken, arrived in arrivals]),
        rate=(len(arrivals) - 1) / ((arrivals[-1][1] - arrivals[0][1]) / 1e9),
        inference_ms=float(values["inference_ms"]),
        overhead_ms=float(values["overhead_ms"]),
        engine=values["engine"],
    )


def _ignore(data: bytes) -> None:
    """Received, which is what the sender has to pay for."""
