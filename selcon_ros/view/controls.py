"""What the user sets on the page: which actions are asked for, and the thresholds.

A value that is set here is shown from then on, also while frames still come that were made before it; what
somebody else sets (on a node, by a topic or a parameter) is taken over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Generic, TypeVar

from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.core.text import one_line
from selcon_ros.view.scene import Thresholds, ViewFrame
from selcon_ros.view.sources.base import FrameSource

T = TypeVar("T")
PATIENCE_SECONDS = 3.0
"""Seconds in which a source takes over what was set; after them its own values are shown again."""
MAX_SLIDER_WIDTH_METRES = 0.3
"""Metres: the end of the slider of the gripper's opening."""
_RANGES = {each.name: each.metadata for each in fields(GraspParameters)}
SLIDERS: dict[str, tuple[str, float, float, float, str]] = {
    "min_confidence": ("min confidence", 0.0, 1.0, 0.01, "No grasp points below this confidence."),
    "threshold": (
        "threshold",
        _RANGES["threshold"]["low"],
        1.0,
        0.01,
        "Fraction of the maximum heat from which on a pixel belongs to the part.",
    ),
    "min_contrast": (
        "min contrast",
        0.0,
        1.0,
        0.01,
        "No grasp points where the peak exceeds the mean heat by a smaller share of the peak.",
    ),
    "gripper_width": ("gripper width, m", 0.005, MAX_SLIDER_WIDTH_METRES, 0.005, "Opening of the gripper."),
}
"""Label, lowest and highest value, step and help of each field of `Thresholds`."""


class _Wanted(Generic[T]):
    """A value that the user sets and that a source takes over a little later."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._until = 0.0

    def set(self, value: T) -> None:
        self._value, self._until = value, time.monotonic() + PATIENCE_SECONDS

    def shown(self, of_source: T) -> T:
        """Return what is to be shown while the source has this value."""
        if self._value is not None and (self._value == of_source or time.monotonic() > self._until):
            self._value = None
        return of_source if self._value is None else self._value


class ActionBoxes:
    """A box to tick for each action of the source."""

    def __init__(self, gui: Any, folder: Any, source: FrameSource) -> None:
        self._gui, self._folder, self._source = gui, folder, source
        self._boxes: dict[str, Any] = {}
        self._wanted = _Wanted[tuple[str, ...]]()

    def show(self, frame: ViewFrame) -> None:
        """Tick the boxes of the actions that are asked for."""
        if tuple(self._boxes) != self._source.actions:
            self._make(self._source.actions)
        asked = self._wanted.shown(frame.asked)
        for action, box in self._boxes.items():
            box.value = action in asked

    def _make(self, actions: tuple[str, ...]) -> None:
        for box in self._boxes.values():
            box.remove()
        with self._folder:
            self._boxes = {
                action: self._gui.add_checkbox(one_line(action, 60), initial_value=False)
                for action in actions
            }
        for box in self._boxes.values():
            box.on_update(self._changed)

    def _changed(self, event: Any) -> None:
        if event.client_id is None:  # set by `show`
            return
        asked = tuple(action for action, box in self._boxes.items() if box.value is True)
        self._wanted.set(asked)
        self._source.set_actions(asked)


class ThresholdSliders:
    """A slider for each threshold."""

    def __init__(self, gui: Any, source: FrameSource, on_change: Callable[[], None] = lambda: None) -> None:
        self._source, self._on_change = source, on_change
        self._wanted = _Wanted[Thresholds]()
        self._last = Thresholds()
        self._sliders: dict[str, Any] = {}
        for name, (label, low, high, step, hint) in SLIDERS.items():
            start = getattr(self._last, name)
            self._sliders[name] = gui.add_slider(label, low, high, step, start, hint=hint)
            self._sliders[name].on_update(lambda event, name=name: self._changed(event, name))

    def show(self, frame: ViewFrame) -> None:
        """Show the thresholds that are in use."""
        self._last = self._wanted.shown(frame.thresholds)
        for name, slider in self._sliders.items():
            _, low, high, _, _ = SLIDERS[name]
            slider.value = min(max(float(getattr(self._last, name)), low), high)

    def _changed(self, event: Any, name: str) -> None:
        if event.client_id is None:
            return
        value = event.target.value
        _, low, high, _, _ = SLIDERS[name]
        # A page may send anything.
        if not isinstance(value, int | float) or not math.isfinite(value):
            return
        self._last = replace(self._last, **{name: min(max(float(value), low), high)})
        self._wanted.set(self._last)
        self._source.set_thresholds(self._last)
        self._on_change()
