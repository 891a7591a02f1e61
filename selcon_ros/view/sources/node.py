"""A running node: its images, its answers, and its state."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import rclpy

from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.grounding.actions import listed, match_actions
from selcon_ros.ros.running_nodes import ANSWER_SECONDS, NodeStatus, grounding_nodes, settings_of, spinning
from selcon_ros.view.scene import Thresholds, ViewFrame
from selcon_ros.view.sources.base import Slot
from selcon_ros.view.sources.node_frames import (
    SILENCE_SECONDS,
    ImageMessages,
    frame_of,
    frame_without_answer,
    thresholds_of,
)
from selcon_ros.view.sources.node_listener import NodeListener

NODE_NAME = "selcon_view"
STALE_SECONDS = 1.5
"""Seconds without an answer after which the node's state is shown without one."""
NO_NODE = (
    "no grounding node is heard in this domain: start one (ros2 launch selcon_ros grounding.launch.py), or "
    "give a recording, a bag, a picture or a webcam: selcon view --help"
)


class NodeError(SelconError):
    """No node to look at, or one that several could be."""


class NodeSource:
    """Listens to a node, and sets its parameters; see `FrameSource`."""

    def __init__(self, name: str | None, actions: str | None) -> None:
        """Nothing is looked for yet.

        `name` is the node's full name; None: the only one. `actions` is a list of actions to ask for first;
        None: what the node answers at present.
        """
        self._wanted, self._first = name, actions
        self._name = name or ""
        self._context: Any = None
        self._listener: NodeListener | None = None
        self._ready, self._stop = Slot[NodeListener](), threading.Event()
        self._thread: threading.Thread | None = None
        self._last: ViewFrame | None = None
        self._shown: tuple[int, float] = (0, 0.0)
        self._number = 0

    @property
    def title(self) -> str:
        topic = "" if self._listener is None else f", {self._listener.image_topic}"
        return f"node {self._name}{topic}"

    @property
    def model(self) -> str:
        node_status = None if self._listener is None else self._listener.node_status
        if node_status is None:
            return "not told yet"
        return (
            f"{node_status.values.get('model', 'not told')} in {node_status.values.get('engine', 'not told')}"
        )

    @property
    def actions(self) -> tuple[str, ...]:
        return () if self._listener is None else self._listener.known

    def start(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._thread = threading.Thread(target=self._guarded, name="view node", daemon=True)
        self._thread.start()
        while self._listener is None:
            self._listener = self._ready.take(0.2)
        if self._first is not None:
            end = time.monotonic() + SILENCE_SECONDS
            while not self._listener.known and time.monotonic() < end:
                time.sleep(0.05)
            self.set_actions(match_actions(self._first, self._listener.known))

    def set_actions(self, actions: tuple[str, ...]) -> None:
        assert self._listener is not None
        self._listener.ask({"action": listed(actions)})

    def set_thresholds(self, thresholds: Thresholds) -> None:
        assert self._listener is not None
        now = asdict(thresholds_of(self._listener))
        changed = {name: value for name, value in asdict(thresholds).items() if value != now[name]}
        if changed:
            self._listener.ask(changed)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._context is not None:
            self._context.try_shutdown()

    def newest(self, timeout: float) -> ViewFrame | None:
        listener = self._listener
        assert listener is not None
        with listener.changed:
            listener.wanted_at = time.monotonic()
            listener.changed.wait_for(lambda: self._complete(listener) is not None, timeout)
            stamp = self._complete(listener)
            messages = None if stamp is None else ImageMessages(listener, stamp)
        if messages is not None and stamp is not None:
            self._shown = (stamp, time.monotonic())
            self._number += 1
            try:
                self._last = frame_of(self._number, listener, messages)
            except ValueError as error:  # messages that are none of the node's, or damaged
                self._last = frame_without_answer(self._number, listener, self._last, first_line(error))
            return self._last
        self._ready.take(0.0)  # raises what has ended the thread
        if time.monotonic() - self._shown[1] > STALE_SECONDS:
            self._shown = (self._shown[0], time.monotonic() - STALE_SECONDS / 2)
            self._number += 1
            self._last = frame_without_answer(self._number, listener, self._last)
            return self._last
        return None

    def _guarded(self) -> None:
        try:
            self._listen()
        except BaseException as error:  # of any kind: it is raised again where frames are taken
            self._ready.fail(error)

    def _listen(self) -> None:
        with spinning(NODE_NAME, self._context) as (node, executor):
            found = grounding_nodes(node, executor)
            self._name, node_status = _chosen(found, self._wanted)
            settings = settings_of(self._name, node, executor)
        if settings is None:
            raise NodeError(
                f"{self._name} is heard, but did not tell its parameters within {ANSWER_SECONDS:g} s: is the "
                "machine too busy? Try again"
            )
        assert node_status.topics is not None
        with spinning(NODE_NAME, self._context, node_status.topics.remaps) as (node, executor):
            listener = NodeListener(node, self._name, settings)
            self._ready.put(listener)
            tended = 0.0
            while not self._stop.is_set():
                executor.spin_once(timeout_sec=0.1)
                if time.monotonic() - tended > 0.1:
                    tended = time.monotonic()
                    listener.tend()

    def _complete(self, listener: NodeListener) -> int | None:
        """The newest image that all is heard of, and that is newer than what was returned last."""
        for stamp, status in reversed(listener.statuses.items()):
            if stamp == self._shown[0]:
                return None
            actions = listener.actions_of(status)
            kinds = ("heatmap", "grasp_points", "grasp_pixels")
            if (
                actions
                and stamp in listener.images
                and all(
                    stamp in listener.heard_of(kind, actions, action) for kind in kinds for action in actions
                )
            ):
                return stamp
        return None


def _chosen(found: Mapping[str, NodeStatus], wanted: str | None) -> tuple[str, NodeStatus]:
    """The node that is meant. Raises NodeError."""
    if not found:
        raise NodeError(NO_NODE)
    names = ", ".join(sorted(found))
    if wanted is None and len(found) > 1:
        raise NodeError(f"several grounding nodes are heard, {names}: choose one with --node")
    if wanted is not None and wanted not in found:
        raise NodeError(f"no grounding node {wanted} is heard, only {names}")
    name = wanted or next(iter(found))
    return name, found[name]
