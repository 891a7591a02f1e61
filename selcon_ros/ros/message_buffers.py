"""What waits between callbacks and worker: the newest image, and the messages near it in time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from selcon_ros.ros.conversions import MessageError


class Stamped(Protocol):
    """Any message with a header."""

    header: Header


M = TypeVar("M", bound=Stamped)


class OutOfStep(MessageError):
    """The messages of a topic are not near enough to an image in time."""


def seconds(stamp: Time) -> float:
    """A stamp in seconds; differences are good to a microsecond."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


@dataclass(frozen=True)
class Received(Generic[M]):
    """A message and when it came, on the machine's monotonic clock."""

    message: M
    at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self.at


class LatestSlot(Generic[M]):
    """Holds the newest message and nothing else, so that a slow reader never meets an old one."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._newest: Received[M] | None = None
        self._fresh = False
        self._untaken = False
        self._closed = False
        self.received = 0
        self.dropped = 0

    def put(self, message: M) -> None:
        """Replace what is there; a message that nobody took is counted as dropped."""
        with self._condition:
            self.dropped += self._untaken
            self.received += 1
            self._newest, self._fresh, self._untaken = Received(message), True, True
            self._condition.notify()

    def ask_again(self) -> None:
        """Let `take` return the newest message once more (for a new question about it)."""
        with self._condition:
            if self._newest is not None:
                self._fresh = True
                self._condition.notify()

    def take(self) -> Received[M] | None:
        """Wait for a message that has not been taken, or None when the slot is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._fresh or self._closed)
            if self._closed:
                return None
            self._fresh = self._untaken = False
            return self._newest

    @property
    def arrived(self) -> float | None:
        """When the newest message came, on the machine's monotonic clock; None before the first."""
        newest = self._newest
        return None if newest is None else newest.at

    def open(self) -> None:
        """Begin without a message, also after `close`."""
        with self._condition:
            self._newest, self._fresh, self._untaken, self._closed = None, False, False, False

    def close(self) -> None:
        """Let `take` return None, until `open`."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class StampedBuffer(Generic[M]):
    """The last few messages of a topic, found by their stamp."""

    def __init__(self, what: str, length: int) -> None:
        self._what = what
        self._length = length
        self._condition = threading.Condition()
        self._messages: OrderedDict[tuple[int, int], Received[M]] = OrderedDict()

    def put(self, message: M) -> None:
        """Keep a message, and forget the one that came first."""
        stamp = message.header.stamp
        with self._condition:
            self._messages.pop((stamp.sec, stamp.nanosec), None)
            self._messages[stamp.sec, stamp.nanosec] = Received(message)
            while len(self._messages) > self._length:
                self._messages.popitem(last=False)
            self._condition.notify_all()

    def __len__(self) -> int:
        with self._condition:
            return len(self._messages)

    def nearest(self, header: Header) -> M | None:
        """The message whose stamp is nearest to that of `header`; None before the first."""
        with self._condition:
            return self._nearest(seconds(header.stamp))

    def match(self, header: Header, tolerance: float, wait: float) -> M | None:
        """The message nearest to `header` in time, if near enough; None before the first.

        `tolerance` is the largest difference of the stamps in seconds, `wait` how many seconds to wait for
        one that is on its way. It does not wait if the topic fell silent a second ago, and no longer than
        until a later one comes, for those of a topic come in order. Raises OutOfStep if the nearest is too
        far.
        """
        stamp = seconds(header.stamp)

        def near() -> bool:
            found = self._nearest(stamp)
            return found is not None and abs(seconds(found.header.stamp) - stamp) <= tolerance

        with self._condition:
            before = self._last
            if not near() and not self._silent():
                self._condition.wait_for(lambda: near() or self._passed(stamp + tolerance, before), wait)
            found = self._nearest(stamp)
        if found is None:
            return None
        difference = seconds(found.header.stamp) - stamp
        if abs(difference) > tolerance:
            raise OutOfStep(
                f"no {self._what} within {tolerance * 1e3:g} ms of the image: the nearest stamp is "
                f"{abs(difference) * 1e3:.0f} ms {'later' if difference > 0 else 'earlier'}"
            )
        return found

    @property
    def _last(self) -> Received[M] | None:
        return next(reversed(self._messages.values()), None)

    def _silent(self) -> bool:
        return self._last is not None and self._last.age > 1.0

    def _passed(self, stamp: float, before: Received[M] | None) -> bool:
        """One has come since `before` whose stamp is later than this."""
        last = self._last
        return last is not None and last is not before and seconds(last.message.header.stamp) > stamp

    def _nearest(self, stamp: float) -> M | None:
        messages = (received.message for received in self._messages.values())
        return min(messages, key=lambda message: abs(seconds(message.header.stamp) - stamp), default=None)
