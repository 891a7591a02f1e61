"""What every source of frames does, and the slot in which the newest of something waits."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

from selcon_ros.view.scene import Thresholds, ViewFrame

T = TypeVar("T")


class FrameSource(Protocol):
    """Makes frames; used by several threads. A source is started once and closed once."""

    @property
    def title(self) -> str:
        """What is looked at, for people."""

    @property
    def model(self) -> str:
        """The model that answers, for people."""

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that can be asked for; known after `start`, and may change with a node's model."""

    def start(self) -> None:
        """Begin. Returns when frames can be expected; raises SelconError where there will be none."""

    def newest(self, timeout: float) -> ViewFrame | None:
        """Return the newest frame that was not returned before, None if none comes within the seconds.

        Older ones are left out. A source does no work for frames that nobody asks for, apart from one.
        Raises SelconError when no more can come.
        """

    def set_actions(self, actions: tuple[str, ...]) -> None:
        """Ask for these actions, which are some of `actions`, from now on."""

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Use these limits from now on."""

    def close(self) -> None:
        """Release everything. Closing twice is allowed."""


class Slot(Generic[T]):
    """The newest of something, from one thread to another: what was not taken is replaced."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._error: BaseException | None = None

    def put(self, value: T) -> None:
        """Replace what waits."""
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """From now on, what is taken is this error, after what waits."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def take(self, timeout: float) -> T | None:
        """Return what waits, None if nothing comes within the seconds. Raises what `fail` was given."""
        with self._changed:
            self._changed.wait_for(lambda: self._value is not None or self._error is not None, timeout)
            value, self._value = self._value, None
            if value is None and self._error is not None:
                raise self._error
            self._changed.notify_all()
            return value

    def wait_taken(self, timeout: float) -> bool:
        """Wait until nothing waits, and return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._value is None, timeout)
