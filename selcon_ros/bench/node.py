"""From camera message to heatmap message: camera, node and listener as three processes on the same cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from selcon_ros.bench.machine import Memory, cpu_seconds
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
from selcon_ros.demo.orchestration import player_process
from selcon_ros.demo.processes import ChildProcess

HEATMAP_ONLY = (HEATMAP,)
EVERYTHING = (HEATMAP, OVERLAY, GRASP_POINTS, MARKERS)
Processes = Sequence[ChildProcess]
_START_SECONDS = 120.0
_WARM_UP_SECONDS = 3.0


class BenchError(SelconError):
    """Something that was to be measured did not come."""


@dataclass(frozen=True)
class NodeTimes:
    """What was measured of a node that answers.

    latency: camera stamp to arrival of the heatmap; rate: heatmaps a second; complete: messages a second of
    the output that came least often; dropped: camera images that a newer one replaced; the node's medians;
    cpu: its processor time for each heatmap in seconds; memory: at the end.
    """

    latency: Times
    rate: float
    complete: float
    dropped: int
    inference_ms: float
    overhead_ms: float
    engine: str
    cpu: float
    memory: Memory


@dataclass(frozen=True)
class IdleTimes:
    """What was measured of a node that nobody listens to: cores in use (0.01: 1 %), memory at the end."""

    cpu: float
    memory: Memory


class _Listener(Node):
    def __init__(self, topics: tuple[str, ...]) -> None:
        super().__init__("selcon_bench")
        self.arrivals: list[tuple[int, int]] = []
        self.counts: dict[str, int] = dict.fromkeys(topics, 0)
        self.diagnostics: list[dict[str, str]] = []
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.action = self.create_publisher(String, ACTION, qos)
        for topic in topics:
            # Raw: deserialising pictures in this process would be measured as the node's latency.
            self.create_subscription(TYPES[topic], topic, partial(self._on_data, topic), qos, raw=True)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, qos)

    def begin(self) -> None:
        """Count from now on."""
        self.arrivals, self.diagnostics = [], self.diagnostics[-1:]
        self.counts = dict.fromkeys(self.counts, 0)

    def _on_data(self, topic: str, data: bytes) -> None:
        self.counts[topic] += 1
        if topic == HEATMAP:
            self.arrivals.append((stamp_ns(data), time.time_ns()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics.append({entry.key: entry.value for entry in message.status[0].values})

    def spin_until(self, condition: Callable[[], bool], seconds: float, processes: Processes) -> bool:
        """Hear what comes until the condition holds; returns whether it does."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            for process in processes:
                process.check()
            rclpy.spin_once(self, timeout_sec=0.1)
        return condition()

    def is_resting(self) -> bool:
        """Whether the node has said that it would answer if anybody listened."""
        return bool(self.diagnostics) and self.diagnostics[-1]["state"].startswith("resting")


def measure_node(
    node: ChildProcess,
    recording: Path,
    action: str,
    topics: tuple[str, ...] = HEATMAP_ONLY,
    rate: float = 30.0,
    seconds: float = 20.0,
) -> NodeTimes:
    """Play `recording` at `rate` frames a second to the node, and time its heatmaps of `action`.

    node: see `selcon_ros.demo.orchestration.node_process`; topics: what is subscribed, and so computed, the
    heatmap among it. Needs `selcon_ros.demo.processes.isolate` before.
    Raises BenchError where no heatmap comes.
    """
    with _listening(node, recording, topics, rate) as (listener, processes):
        _send(listener, action, node, processes)
        if not listener.spin_until(lambda: bool(listener.arrivals), _START_SECONDS, processes):
            raise BenchError(f"no heatmap came within {_START_SECONDS:.0f} s; see {node.log}")
        listener.spin_until(lambda: False, _WARM_UP_SECONDS, processes)
        listener.begin()
        used = cpu_seconds(node.pid)
        listener.spin_until(lambda: False, seconds, processes)
        return _summary(listener, cpu_seconds(node.pid) - used, Memory.of(node.pid))


def measure_idle(
    node: ChildProcess, recording: Path, action: str, rate: float = 30.0, seconds: float = 20.0
) -> IdleTimes:
    """Play `recording` to the node, which has an action, while nobody listens to its outputs.

    Raises BenchError where the node does not come up. Needs what `measure_node` needs.
    """
    with _listening(node, recording, (), rate) as (listener, processes):
        _send(listener, action, node, processes)
        if not listener.spin_until(listener.is_resting, _START_SECONDS, processes):
            raise BenchError(f"the node does not rest after {_START_SECONDS:.0f} s; see {node.log}")
        listener.spin_until(lambda: False, _WARM_UP_SECONDS, processes)
        start, used = time.monotonic(), cpu_seconds(node.pid)
        listener.spin_until(lambda: False, seconds, processes)
        share = (cpu_seconds(node.pid) - used) / (time.monotonic() - start)
        return IdleTimes(share, Memory.of(node.pid))


@contextmanager
def _listening(
    node: ChildProcess, recording: Path, topics: tuple[str, ...], rate: float
) -> Iterator[tuple[_Listener, Processes]]:
    rclpy.init()
    try:
        listener = _Listener(topics)
        player = player_process(recording, node.log.with_name("player.log"), rate)
        with node, player:
            yield listener, (node, player)
    finally:
        rclpy.try_shutdown()


def _send(listener: _Listener, action: str, node: ChildProcess, processes: Processes) -> None:
    """Tell the node what to do, once it is there."""
    if not listener.spin_until(
        lambda: listener.action.get_subscription_count() > 0, _START_SECONDS, processes
    ):
        raise BenchError(f"the node did not come up within {_START_SECONDS:.0f} s; see {node.log}")
    listener.action.publish(String(data=action))


def _summary(listener: _Listener, cpu: float, memory: Memory) -> NodeTimes:
    arrivals, told = listener.arrivals, listener.diagnostics
    if len(arrivals) < 2 or not told or "overhead_ms" not in told[-1]:
        raise BenchError(f"only {len(arrivals)} heatmaps came, too few to take a median of")
    rate = (len(arrivals) - 1) / ((arrivals[-1][1] - arrivals[0][1]) / 1e9)
    dropped = [int(each.get("dropped_images", 0)) for each in told]
    return NodeTimes(
        latency=Times.of([(arrived - taken) / 1e6 for taken, arrived in arrivals]),
        rate=rate,
        complete=rate * min(listener.counts.values()) / len(arrivals),
        dropped=dropped[-1] - dropped[0],
        inference_ms=float(told[-1]["inference_ms"]),
        overhead_ms=float(told[-1]["overhead_ms"]),
        engine=told[-1]["engine"],
        cpu=cpu / len(arrivals),
        memory=memory,
    )
