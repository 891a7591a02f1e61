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

from selcon_ros.core.errors import SelconError
from selcon_ros.core.machine.timing import Times
from selcon_ros.demo.collector import ACTION, DIAGNOSTICS, HEATMAP, TYPES, stamp_ns
from selcon_ros.demo.orchestration import player_process
from selcon_ros.demo.processes import ChildProcess

_START_SECONDS = 120.0
_WARM_UP_SECONDS = 3.0


class BenchError(SelconError):
    """Something that was to be measured did not come."""


@dataclass(frozen=True)
class NodeTimes:
    """What was measured of a node that answers.

    latency: camera stamp to arrival of the heatmap; rate: heatmaps a second; then the node's own medians.
    """

    latency: Times
    rate: float
    inference_ms: float
    overhead_ms: float
    engine: str


class Listener(Node):
    """Hears the node: camera stamp and arrival of every heatmap (ns), messages by topic, what it says of
    itself."""

    def __init__(self, topics: Sequence[str], processes: Sequence[ChildProcess]) -> None:
        super().__init__("selcon_bench")
        self._processes = processes
        self.arrivals: list[tuple[int, int]] = []
        self.counts = dict.fromkeys(topics, 0)
        self.diagnostics: list[dict[str, str]] = []
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._action = self.create_publisher(String, ACTION, qos)
        for topic in topics:
            # Raw: deserialising pictures in this process would be measured as the node's latency.
            self.create_subscription(TYPES[topic], topic, partial(self._on_data, topic), qos, raw=True)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, qos)

    def _on_data(self, topic: str, data: bytes) -> None:
        self.counts[topic] += 1
        if topic == HEATMAP:
            self.arrivals.append((stamp_ns(data), time.time_ns()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics.append({entry.key: entry.value for entry in message.status[0].values})

    def begin(self, action: str, begun: Callable[[], bool], missing: str) -> None:
        """Send the action once the node is there; when it has begun and is warm, count from then on.

        Raises BenchError, which says what is `missing`, where it does not begin.
        """
        self._wait(lambda: self._action.get_subscription_count() > 0, "the node did not come up")
        self._action.publish(String(data=action))
        self._wait(begun, missing)
        self.hear(_WARM_UP_SECONDS)
        self.arrivals, self.diagnostics = [], self.diagnostics[-1:]
        self.counts = dict.fromkeys(self.counts, 0)

    def hear(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Hear what comes until the condition holds; returns whether it does."""
        deadline = time.monotonic() + seconds
        while not until() and time.monotonic() < deadline:
            for process in self._processes:
                process.check()
            rclpy.spin_once(self, timeout_sec=0.1)
        return until()

    def times(self) -> NodeTimes:
        """Of what came since `begin`. Raises BenchError where that is too little."""
        arrivals, statuses = self.arrivals, self.diagnostics
        if len(arrivals) < 2 or not statuses or "overhead_ms" not in statuses[-1]:
            raise BenchError(f"only {len(arrivals)} heatmaps came, too few to take a median of")
        return NodeTimes(
            latency=Times.of([(arrived - taken) / 1e6 for taken, arrived in arrivals]),
            rate=(len(arrivals) - 1) / ((arrivals[-1][1] - arrivals[0][1]) / 1e9),
            inference_ms=float(statuses[-1]["inference_ms"]),
            overhead_ms=float(statuses[-1]["overhead_ms"]),
            engine=statuses[-1]["engine"],
        )

    def _wait(self, condition: Callable[[], bool], missing: str) -> None:
        if not self.hear(_START_SECONDS, condition):
            log = self._processes[0].log
            raise BenchError(f"{missing} within {_START_SECONDS:.0f} s; see {log}")


@contextmanager
def listening(node: ChildProcess, recording: Path, topics: Sequence[str], rate: float) -> Iterator[Listener]:
    """Run the node, and play `recording` to it at `rate` frames a second.

    node: see `selcon_ros.demo.orchestration.node_process`; topics: what is subscribed, and so computed.
    Needs `selcon_ros.demo.processes.isolate` before.
    """
    rclpy.init()
    try:
        player = player_process(recording, node.log.with_name("player.log"), rate)
        listener = Listener(topics, (node, player))
        with node, player:
            yield listener
    finally:
        rclpy.try_shutdown()


def measure_node(
    node: ChildProcess, recording: Path, action: str, topics: Sequence[str], rate: float, seconds: float
) -> NodeTimes:
    """Time the node's heatmaps of `action` for some seconds; the rest as for `listening`.

    Raises BenchError where no heatmap comes.
    """
    with listening(node, recording, topics, rate) as listener:
        listener.begin(action, lambda: bool(listener.arrivals), "no heatmap came")
        listener.hear(seconds)
        return listener.times()
