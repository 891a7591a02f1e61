"""What goes from the stage that grounds images to the one that makes results: the newest image alone."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from std_msgs.msg import Header

from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.ros.answers import Answer
from selcon_ros.ros.conversions import Pixels
from selcon_ros.ros.diagnostics import AnswerTimes
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.publishers import Demand
from selcon_ros.ros.questions import Question


@dataclass(frozen=True)
class GroundedImage:
    """An image whose maps are there, and what is left to be made of it.

    findings: made by the first stage, which leaves them to the second. settings: hold for all of it.
    demand: what is published for `actions`; None if the image is only for questions. questions: answered by
    this image. arrived, start, published: when the image came, when work on it began, and when its heatmaps
    were published, on the machine's monotonic clock. inference: seconds in the engine.
    """

    image: Pixels
    header: Header
    findings: Findings
    settings: Settings
    actions: tuple[str, ...]
    demand: Demand | None
    questions: tuple[Question[Answer], ...]
    arrived: float
    start: float
    inference: float
    published: float

    @property
    def unheard(self) -> bool:
        """Something of it is published, but no heatmap."""
        return self.demand is not None and not self.demand.heatmaps

    def times(self) -> AnswerTimes:
        """The times until now."""
        return AnswerTimes(
            waiting=self.start - self.arrived,
            inference=self.inference,
            overhead=self.published - self.start - self.inference,
            grasping=time.monotonic() - self.published,
        )


class GroundedImageSlot:
    """Holds the newest grounded image that the second stage has not taken yet.

    An image that replaces another takes over its questions: they are answered from the newer image.
    """

    def __init__(self) -> None:
        """Closed."""
        self._condition = threading.Condition()
        self._newest: GroundedImage | None = None
        self._closed = True
        self.superseded = 0
        """Images with results to be published that another image has replaced."""

    def put(self, image: GroundedImage) -> None:
        """Replace what is there; nothing while closed."""
        with self._condition:
            if self._closed:
                return
            if (before := self._newest) is not None:
                image = replace(image, questions=(*before.questions, *image.questions))
                # The same image comes again when something else is asked about it.
                self.superseded += before.demand is not None and before.arrived != image.arrived
            self._newest = image
            self._condition.notify_all()

    def take(self) -> GroundedImage | None:
        """Wait for an image, or None when the slot is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._newest is not None or self._closed)
            image, self._newest = self._newest, None
            self._condition.notify_all()
            return image

    def wait_until_taken(self) -> None:
        """Wait until there is no image that has not been taken; not while closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._newest is None)

    def open(self) -> None:
        """Take images."""
        with self._condition:
            self._newest, self._closed = None, False

    def close(self) -> None:
        """Forget what waits, and let `take` return None, until `open`."""
        with self._condition:
            self._newest, self._closed = None, True
            self._condition.notify_all()
