"""Transforms of moving frames around images: just before and just after each, from a stream of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from selcon_ros.bags.transform_tree import Edge, TransformError, two_parents
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.text import one_line, quoted

MAX_GAP_NS = 10_000_000_000
"""Longest time in ns between two transforms for what lies between."""
CLOCK_RESET_NS = 1_000_000_000
"""Stamps of a frame that go back by more ns are those of a clock that was set back."""
MAX_FRAMES = 10_000
"""Frames that are followed; of more, those that come later are passed over."""
Image = tuple[int, int]
"""When an image was received, and its stamp, in ns."""


@dataclass(frozen=True)
class Transform:
    """Where a frame lies in its parent. Stamp, and when it was received, in ns."""

    parent: str
    child: str
    stamp: int
    received: int
    pose: Rigid

    @property
    def edge(self) -> Edge:
        """What the tree has of it."""
        return Edge(self.parent, self.pose)


@dataclass
class Faults:
    """What is wrong with transforms that were passed over: how many, and the first."""

    count: int = 0
    first: str = ""

    def add(self, fault: str) -> None:
        """Count another one."""
        self.count += 1
        self.first = self.first or one_line(fault, 200)

    def __str__(self) -> str:
        """What follows another text."""
        return f"; {self.count} transforms were passed over: {self.first}" if self.count else ""


@dataclass
class _Run:
    """Transforms of one frame since its clock was set back last.

    start, last: when they were received. newest: of their stamps.
    """

    start: int
    newest: int
    last: int


@dataclass
class TransformWindow:
    """Of each frame, the transforms just before and just after each image: no others are kept.

    images: when each was received, and its stamp. beside: how far apart in ns image and transform are
    received, at most.
    """

    images: Sequence[Image]
    beside: int
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self._images = sorted(set(self.images))
        self._near: dict[str, dict[Image, tuple[Transform | None, Transform | None]]] = {}
        self._runs: dict[str, _Run] = {}

    def add(self, each: Transform) -> None:
        """Add a transform, in the order of receiving."""
        if each.child not in self._near and len(self._near) >= MAX_FRAMES:
            self.faults.add(f"there are more than {MAX_FRAMES} frames")
            return
        near = self._near.setdefault(each.child, {})
        run = self._runs.get(each.child)
        if run is None:
            # The first run is that of images before it, too.
            start = self._images[0][0] if self._images else 0
            run = self._runs[each.child] = _Run(start, each.stamp, each.received)
        elif each.stamp < run.newest - CLOCK_RESET_NS and each.received >= run.last:
            run.start, run.newest = each.received, each.stamp
            for image in self._images[self._place(each.received) :]:
                near.pop(image, None)
        run.newest, run.last = max(run.newest, each.stamp), max(run.last, each.received)
        for image in self._images[self._place(max(each.received - self.beside, run.start)) :]:
            if image[0] > each.received + self.beside:
                break
            before, after = near.get(image, (None, None))
            if each.stamp <= image[1] and (before is None or each.stamp > before.stamp):
                before = each
            if each.stamp >= image[1] and (after is None or each.stamp < after.stamp):
                after = each
            near[image] = before, after

    def at(self, frame: str, image: Image) -> Edge | None:
        """What a frame hangs on at the stamp of an image; None for one that has no transform near it.

        Raises TransformError where it has transforms, but none for this stamp.
        """
        before, after = self._near.get(frame, {}).get(image, (None, None))
        known = before or after
        if known is None:
            return None
        about = f"the transform from {quoted(known.parent)} to {quoted(frame)}"
        if before is None or after is None:
            side, apart = (
                ("first", known.stamp - image[1]) if before is None else ("last", image[1] - known.stamp)
            )
            when = "after" if before is None else "before"
            raise TransformError(f"{about} is missing: the {side} is {apart / 1e9:.3f} s {when} the image")
        if before.parent != after.parent:
            raise two_parents(frame, before.parent, after.parent)
        if (length := after.stamp - before.stamp) == 0:
            return before.edge
        if length > MAX_GAP_NS:
            raise TransformError(f"{about} has a gap of {length / 1e9:.1f} s at the image")
        return Edge(before.parent, before.pose.towards(after.pose, (image[1] - before.stamp) / length))

    def _place(self, received: int) -> int:
        """The first image that was received then or later."""
        return bisect_left(self._images, received, key=lambda image: image[0])
