"""Runs the node and notes where its time goes; a script for this version of selcon_ros or an earlier one.

`python frame_node.py OUT MODULE --ros-args ...`: MODULE is the node's. At its end OUT has a list of
[thread, stage, start, seconds] as JSON: start on the machine's monotonic clock, and what a stage takes
without the stages that it calls (see `CLOCKS`).
"""

from __future__ import annotations

import functools
import json
import runpy
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

STAGES = [
    ("wait", "rclpy.executors", "Executor.wait_for_ready_callbacks"),
    ("receive", "rclpy.executors", "Executor._take_subscription"),
    ("publish", "rclpy.publisher", "Publisher.publish"),
    ("decode", "selcon_ros.ros.conversions", "image_from_message"),
    ("fill", "selcon_ros.ros.conversions", "fill_image"),
    ("depth", "selcon_ros.ros.depth", "depth_from_message"),
    ("network", "selcon_ros.core.grounding.grounder", "Grounder.ground"),
    ("heatmap", "selcon_ros.core.grounding.heatmap", "CoarseHeatmap.upsampled"),
    ("heatmap", "selcon_ros.core.grounding.grounder", "Grounding.heatmap"),  # before there were coarse ones
    ("grasps", "selcon_ros.core.grasps.grasp", "find_grasps"),
    ("grasps", "selcon_ros.core.grasps.grasp", "find"),  # its name before version 0.2.0
    ("overlay", "selcon_ros.core.outputs.overlay", "draw"),
]
"""Stage, module and function, those first that others import."""
STAGE_OF_ENCODING = {"32FC1": "heatmap message", "bgr8": "overlay message"}
"""Which image an encoding belongs to."""
CLOCKS = {"wait": time.thread_time}
"""Of stages in which a thread sleeps: its processor time."""


class Notes:
    """What was noted, by any thread."""

    def __init__(self) -> None:
        self.spent: list[tuple[str, str, float, float]] = []
        self._local = threading.local()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time noted."""
        clock = CLOCKS.get(stage, time.monotonic)

        @functools.wraps(function)
        def noted(*arguments: Any, **named: Any) -> Any:
            inner: list[float] = getattr(self._local, "inner", [])
            self._local.inner = inner
            inner.append(0.0)
            begun, start = time.monotonic(), clock()
            try:
                return function(*arguments, **named)
            finally:
                seconds = clock() - start
                own = max(0.0, seconds - inner.pop())
                if inner:
                    inner[-1] += seconds
                name = threading.current_thread().name
                self.spent.append((name, _stage(stage, arguments), begun, own))

        return noted


def _stage(stage: str, arguments: tuple[Any, ...]) -> str:
    """The stage in words: messages by what they hold."""
    if stage == "fill":
        return STAGE_OF_ENCODING.get(arguments[2], "other messages")
    if stage == "publish":
        return STAGE_OF_ENCODING.get(getattr(arguments[1], "encoding", ""), "other messages")
    return stage


def instrument(notes: Notes) -> None:
    """Wrap every stage that this version has, before others import it."""
    for stage, module, path in STAGES:
        owner: Any = _imported(module)
        *names, last = path.split(".")
        for name in names:
            owner = getattr(owner, name, None)
        if (function := getattr(owner, last, None)) is not None:
            setattr(owner, last, notes.wrap(stage, function))


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError:  # in earlier versions the modules of core lie side by side
        return import_module(f"selcon_ros.core.{module.rpartition('.')[2]}")


def main() -> None:
    """Run the node to its end."""
    out, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    notes = Notes()
    instrument(notes)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        out.write_text(json.dumps(notes.spent), encoding="utf-8")


if __name__ == "__main__":
    main()
