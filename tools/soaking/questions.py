"""Requests to the node: of its service and its action. Some are wrong, and some are canceled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from fuzzing.report import choose
from rclpy.action.client import ActionClient
from rclpy.node import Node

from selcon_ros.core.reason import Reason
from selcon_ros.ros import interfaces

KIND_SHARES = {"one": 0.4, "several": 0.3, "all": 0.1, "unknown": 0.1, "none": 0.1}
ASK_SHARE, STREAM_SHARE, CANCEL_SHARE, HEATMAP_SHARE = 0.5, 0.2, 0.5, 0.3
"""How often, each second, something is asked and a stream begins, and how often that is canceled or asks for
heatmaps."""
TIMEOUTS = (0.0, 0.5, 2.0)
"""Seconds that a request may wait; 0: the node's own."""
LATEST_SECONDS = 30.0
"""Seconds after which a request without an answer is a failure."""
MAX_IMAGES = 20
"""Images of a stream, at most."""
CODES = {reason.code: reason.value for reason in Reason} | {0: "answered"}


class Questioner:
    """Asks the node in the namespace `name`, and judges what it answers; nothing without typed messages."""

    def __init__(
        self, node: Node, name: str, actions: list[str], judge: Callable[[str, Any], None], seen: Counter[str]
    ) -> None:
        """`judge` is told each message of an answer; `seen` counts the answers by their reason."""
        self._actions, self._judge, self._seen = actions, judge, seen
        self._open: dict[Any, tuple[str, float]] = {}
        self._to_cancel: list[tuple[float, Any]] = []
        self._ground: Any = None
        if interfaces.MISSING:
            return
        self._ground = node.create_client(interfaces.Ground, f"/{name}/ground")
        self._stream: Any = ActionClient(node, interfaces.GroundStream, f"/{name}/ground_stream")

    def each_second(self, random: np.random.Generator) -> Iterator[str]:
        """Perhaps ask, begin a stream, or cancel one; yields what was not answered in time."""
        if self._ground is None:
            return
        if random.random() < ASK_SHARE and self._ground.service_is_ready():
            self._ask(random)
        if random.random() < STREAM_SHARE and self._stream.server_is_ready():
            self._begin(random)
        now = time.monotonic()
        for due, goal in [each for each in self._to_cancel if each[0] <= now]:
            self._to_cancel.remove((due, goal))
            self._wait(goal.cancel_goal_async(), "cancel", lambda response: None)
        late = [future for future, (_, asked) in self._open.items() if now - asked > LATEST_SECONDS]
        for future in late:
            yield f"{self._open.pop(future)[0]} was not answered within {LATEST_SECONDS:g} s"

    def _ask(self, random: np.random.Generator) -> None:
        names, timeout, heatmaps = self._drawn(random)
        request = interfaces.Ground.Request(
            actions=names,
            wait_for_new_image=bool(random.random() < 0.5),
            timeout=timeout,
            heatmaps=heatmaps,
        )

        def judge(response: Any) -> None:
            self._count("ground", response.reason)
            answered = response.reason.code == 0
            if answered == (not response.results):
                self._judge("ground", f"reason {response.reason.code}, {len(response.results)} results")
            if len(response.heatmaps) != (len(response.results) if heatmaps else 0):
                self._judge("ground", f"{len(response.heatmaps)} heatmaps of {len(response.results)} results")
            self._judge_all("ground", response)

        self._wait(self._ground.call_async(request), "a request of ground", judge)

    def _begin(self, random: np.random.Generator) -> None:
        names, timeout, heatmaps = self._drawn(random)
        images = int(random.integers(1, MAX_IMAGES))
        goal = interfaces.GroundStream.Goal(
            actions=names, max_images=images, timeout=timeout, heatmaps=heatmaps
        )
        cancel_after = float(random.uniform(0, 3)) if random.random() < CANCEL_SHARE else None

        def accepted(handle: Any) -> None:
            if not handle.accepted:
                self._judge("ground_stream", "a goal was refused")
                return
            if cancel_after is not None:
                self._to_cancel.append((time.monotonic() + cancel_after, handle))
            self._wait(handle.get_result_async(), "a goal of ground_stream", ended)

        def ended(response: Any) -> None:
            result = response.result
            self._count("ground_stream", result.reason)
            if (result.reason.code == 0) != (result.answered_images == images):
                self._judge("ground_stream", f"reason {result.reason.code}, {result.answered_images} images")

        heard = lambda message: self._judge_all("ground_stream", message.feedback)  # noqa: E731
        self._wait(self._stream.send_goal_async(goal, feedback_callback=heard), "a new goal", accepted)

    def _drawn(self, random: np.random.Generator) -> tuple[list[str], Duration, bool]:
        """Actions, timeout and whether heatmaps are asked for."""
        kind = choose(random, KIND_SHARES)
        count = {"one": 1, "several": int(random.integers(2, len(self._actions) + 1))}.get(kind, 0)
        chosen = [str(each) for each in random.choice(self._actions, count, replace=False)]
        names = {"all": ["*"], "unknown": ["juggle"], "none": []}.get(kind, chosen)
        seconds = float(random.choice(TIMEOUTS))
        timeout = Duration(sec=int(seconds), nanosec=round(1e9 * (seconds % 1)))
        return names, timeout, bool(random.random() < HEATMAP_SHARE)

    def _wait(self, future: Any, what: str, then: Callable[[Any], None]) -> None:
        self._open[future] = what, time.monotonic()

        def done(future: Any) -> None:
            if self._open.pop(future, None) is not None:
                then(future.result())

        future.add_done_callback(done)

    def _count(self, what: str, reason: Any) -> None:
        self._seen[f"{what}: {CODES.get(reason.code, reason.code)}"] += 1

    def _judge_all(self, what: str, message: Any) -> None:
        for each in (*message.results, *message.heatmaps):
            self._judge(what, each)
