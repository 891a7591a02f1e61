"""A bag of rosbag2, again and again at its own pace. Needs ROS's messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from std_msgs.msg import Header

from selcon_ros.bags.nearest import Near, camera_message, images_of, stamp_or_none
from selcon_ros.bags.plan import BagPlan, Segment
from selcon_ros.bags.reader import BagError, BagReader, Message
from selcon_ros.bags.topics import choose
from selcon_ros.bags.transform_topics import transform_topics
from selcon_ros.bags.transforms import BagTransforms, ImageTransforms
from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.ros.conversions import image_from_message
from selcon_ros.ros.parameters import Settings
from selcon_ros.view.scene import TargetFrame
from selcon_ros.view.sources.offline import Shot

STRETCH_NS = 2_000_000_000
"""Nanoseconds of a bag whose depth is looked for at a time, and held in memory."""
MAX_GAP_SECONDS = 2.0
"""Seconds: what is recorded with longer gaps between images is played with this one."""


LAP_PAUSE_SECONDS = 0.1
"""Seconds between two laps: a bag whose images were all received at once would be read without a pause."""


class BagCamera:
    """Plays one camera of a bag.

    Raises BagError for a bag that cannot be read, and where its topics are not there or not clear, when it is
    made.
    """

    def __init__(
        self, bag: Path, image: str | None, depth: str | None, camera_info: str | None, settings: Settings
    ) -> None:
        """Look for the topics: see `bags.topics.choose`.

        `settings` are as the node has them, with the target frame that is shown.
        """
        self._bag, self._settings = bag, settings
        with BagReader(bag) as reader:
            self._topics = choose(reader, image, depth, camera_info)
            if settings.target_frame:
                transform_topics(reader, settings.target_frame)
        self._plan = BagPlan(bag, bag, self._topics, (), (), "", settings, heatmaps=False)
        self.title = f"bag {bag}, {self._topics.image}"
        missing = [
            f"no {what} topic" for what in ("depth", "camera_info") if getattr(self._topics, what) is None
        ]
        self._notes = (f"no cloud and no poses: {', '.join(missing)} in the bag",) if missing else ()

    def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
        with BagReader(self._bag, check=False) as reader:  # checked when this was made
            target = self._settings.target_frame
            transforms = BagTransforms(reader, target) if target else None
            while not stop.is_set():
                if not self._lap(reader, transforms, show, stop) or stop.wait(LAP_PAUSE_SECONDS):
                    return

    def _lap(
        self,
        reader: BagReader,
        transforms: BagTransforms | None,
        show: Callable[[Shot], None],
        stop: threading.Event,
    ) -> bool:
        """Play the bag once, and return whether there is more than one image. Raises BagError for none."""
        due, last = time.monotonic(), 0
        shown, fault = 0, ""
        for message, near, placed in self._messages(reader, transforms):
            _, received, _ = message
            due += min((received - last) / 1e9, MAX_GAP_SECONDS) if last else 0.0
            # What took long to read is not made up for.
            due, last = max(due, time.monotonic() - 1.0), received
            if stop.wait(max(0.0, due - time.monotonic())):
                return False
            try:
                show(self._shot(message, near, placed, fault and f"an image cannot be used: {fault}"))
            except SelconError as error:
                fault = first_line(error)
            else:
                shown, fault = shown + 1, ""
        if not shown:
            raise BagError(f"no image on {self._topics.image} of {self._bag} can be used: {fault or 'none'}")
        return shown > 1

    def _messages(
        self, reader: BagReader, transforms: BagTransforms | None
    ) -> Iterator[tuple[Message, Near, ImageTransforms | None]]:
        """Yield the images with what belongs to them, from first to last."""
        for segment in _stretches(reader, self._topics.image):
            found = [
                (received, stamp)
                for _, received, data in images_of(reader, self._plan, segment)
                if (stamp := stamp_or_none(data)) is not None
            ]
            near = Near(reader, self._plan, segment, {stamp for _, stamp in found})
            placed = None if transforms is None else transforms.around(found)
            for message in images_of(reader, self._plan, segment):
                yield message, near, placed

    def _shot(self, message: Message, near: Near, placed: ImageTransforms | None, fault: str) -> Shot:
        connection, received, data = message
        decoded = camera_message(data, connection.msgtype)
        image = image_from_message(decoded, self._settings.limit)
        depth, intrinsics, missing = near.of(decoded.header, (image.shape[1], image.shape[0]))
        stamp = decoded.header.stamp.sec + 1e-9 * decoded.header.stamp.nanosec
        target, lost = _target(decoded.header, received, placed)
        faults = tuple(filter(None, (missing, lost, fault)))
        return Shot(image, depth, intrinsics, decoded.header.frame_id, stamp, self._notes, faults, target)


def _stretches(reader: BagReader, topic: str) -> Iterator[Segment]:
    """Yield the stretches that hold a topic's messages, in the order of receiving.

    Of a bag of several files, whose recorder's clock may have been set back between two of them, the first
    message that is read need not be the first that was received.
    """
    wanted = reader.of(topic)
    left: list[Segment | tuple[int | None, int | None]] = [(None, None)]
    while left:
        each = left.pop()
        if isinstance(each, Segment):
            yield each
            continue
        start, end = each
        found = next(iter(reader.messages(wanted, start, end)), None)  # there may be hours without one
        if found is None:
            continue
        at = found[1]
        until = at + STRETCH_NS if end is None else min(at + STRETCH_NS, end)
        left += [(until, end), Segment(0, at, until, 0)]
        if start is None or at > start:
            left.append((start, at))


def _target(header: Header, received: int, placed: ImageTransforms | None) -> tuple[TargetFrame | None, str]:
    """Where the target frame is at an image, and why that is not known."""
    if placed is None:
        return None, ""
    there, rigid, missing = placed.of(header, received)
    return (None if rigid is None else TargetFrame(there.frame_id, rigid.inverse)), missing
