"""Where the camera is in another frame at the stamp of an image, by the bag's /tf and /tf_static."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from std_msgs.msg import Header

from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.bags.transform_topics import TF_TYPE, transform_topics
from selcon_ros.bags.transform_tree import Edge, TransformError, look_up, two_parents
from selcon_ros.bags.transform_window import Faults, Image, Transform, TransformWindow
from selcon_ros.core.errors import CameraError, SelconError, first_line
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.text import quoted

WINDOWS_NS = (1_000_000_000, 10_000_000_000)
"""Within so many ns of receiving images their transforms are looked for, then, where one is missing: as long
as tf2 keeps them."""
UNIT_TOLERANCE = 0.01
"""How far the square of a quaternion's length may be from 1, as in tf2."""
MAX_STATIC = 100_000
"""Static transforms that are kept, of all frames: each change is one."""
MAX_NAME_LENGTH = 256
"""Characters of a frame's name, at most."""


class BagTransforms:
    """The transforms of a bag: the static ones, and those around images on demand.

    Raises BagError for a bag without transforms, or with too many.
    """

    def __init__(self, reader: BagReader, target: str) -> None:
        self._reader, self.target = reader, target
        self._topics = transform_topics(reader, target)
        self._faults = Faults()
        # Latched: what was sent once holds from then on, and the first one for what was before.
        self._static: dict[str, list[Transform]] = {}
        count = 0
        for each in self._read(self._topics.static, None, None, self._faults):
            known = self._static.setdefault(each.child, [])
            if not known or known[-1].edge != each.edge:
                known.append(each)
                count += 1
            if count > MAX_STATIC:
                raise BagError(
                    f"{self._topics.static} of the bag changes more than {MAX_STATIC} times, and is held in "
                    f"memory: record what moves as {self._topics.moving}, or leave out --target-frame"
                )

    def around(self, images: Sequence[Image]) -> ImageTransforms:
        """The transforms of these images, of which are given when they were received, and their stamps."""
        return ImageTransforms(self, images)

    def window(self, images: Sequence[Image], beside: int) -> TransformWindow:
        """The moving transforms that were received within `beside` ns of images."""
        received = [each for each, _ in images]
        window = TransformWindow(images, beside)
        window.faults.count, window.faults.first = self._faults.count, self._faults.first
        start, end = min(received, default=0) - beside, max(received, default=0) + beside + 1
        for each in self._read(self._topics.moving, start, end, window.faults):
            window.add(each)
        return window

    def static(self, frame: str, received: int) -> Transform | None:
        """The static transform of a frame that holds at a time of receiving.

        Raises TransformError for a frame that has been in several others.
        """
        known = self._static.get(frame)
        if not known:
            return None
        if other := next((each.parent for each in known if each.parent != known[0].parent), None):
            raise two_parents(frame, known[0].parent, other)
        return known[max(0, bisect_right(known, received, key=lambda each: each.received) - 1)]

    def _read(self, topic: str, start: int | None, end: int | None, faults: Faults) -> Iterator[Transform]:
        connections = [each for each in self._reader.of(topic) if each.msgtype == TF_TYPE]
        for connection, received, data in self._reader.messages(connections, start, end):
            try:
                message = self._reader.deserialize(connection, data)
            except SelconError as error:
                faults.add(f"a message of {topic} cannot be read: {first_line(error)}")
                continue
            for each in message.transforms:
                try:
                    yield _transform(each, received)
                except SelconError as error:
                    faults.add(str(error))


def _transform(message: Any, received: int) -> Transform:
    parent, child = message.header.frame_id.removeprefix("/"), message.child_frame_id.removeprefix("/")
    moved, turned = message.transform.translation, message.transform.rotation
    about = f"the transform from {quoted(parent)} to {quoted(child)}"
    if not parent or not child or parent == child:
        raise TransformError(f"{about} needs two frames")
    if max(len(parent), len(child)) > MAX_NAME_LENGTH:
        raise TransformError(f"{about} has a name of more than {MAX_NAME_LENGTH} characters")
    rotation = (float(turned.x), float(turned.y), float(turned.z), float(turned.w))
    length = sum(value * value for value in rotation)
    if abs(length - 1) > UNIT_TOLERANCE:
        raise TransformError(
            f"{about} has a rotation of length {length**0.5:g}: it must be a unit quaternion"
        )
    stamp = message.header.stamp
    try:
        pose = Rigid(rotation, (float(moved.x), float(moved.y), float(moved.z)))
    except CameraError as error:
        raise TransformError(f"{about}: {error}") from None
    return Transform(parent, child, stamp.sec * 1_000_000_000 + stamp.nanosec, received, pose)


class ImageTransforms:
    """Where the camera is in the target frame, at each image of a stretch."""

    def __init__(self, transforms: BagTransforms, images: Sequence[Image]) -> None:
        self._transforms, self._images = transforms, images
        self._windows: dict[int, TransformWindow] = {}

    def of(self, header: Header, received: int) -> tuple[Header, Rigid | None, str]:
        """The header of poses of an image, how they get there from the camera's frame, and what is missing.

        Without a transform at the image's stamp they stay in the camera's frame, as their header says.
        """
        target = self._transforms.target
        if header.frame_id == target:
            return header, None, ""
        stamp = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        for beside in WINDOWS_NS:
            if beside not in self._windows:
                self._windows[beside] = self._transforms.window(self._images, beside)
            window = self._windows[beside]
            try:
                found = self._look_up(window, header.frame_id, (received, stamp))
                return Header(stamp=header.stamp, frame_id=target), found, ""
            except (TransformError, CameraError) as error:
                fault = f"{error}{window.faults}"
        return header, None, f"no transform from {quoted(header.frame_id)} to {quoted(target)}: {fault}"

    def _look_up(self, window: TransformWindow, source: str, image: Image) -> Rigid:
        if not source or source.startswith("/"):
            raise TransformError("the images' frame_id must be a frame's name, without a '/' before it")

        def parent(frame: str) -> Edge | None:
            static, moving = self._transforms.static(frame, image[0]), window.at(frame, image)
            if static is None or moving is None:
                return moving or (static.edge if static is not None else None)
            if static.parent != moving.parent:
                raise two_parents(frame, static.parent, moving.parent)
            return moving

        return look_up(parent, self._transforms.target, source)
