"""Where one frame lies in another one, by the tree that transforms make of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.text import quoted

MAX_CHAIN_LENGTH = 1000
"""Frames on the way to the root of the tree, at most, as in tf2."""
MAX_FRAMES_SHOWN = 12
IDENTITY = Rigid((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


class TransformError(SelconError):
    """A transform that is not known."""


@dataclass(frozen=True)
class Edge:
    """The frame that another one hangs on, and where that one lies in it."""

    parent: str
    pose: Rigid


Parent = Callable[[str], Edge | None]
"""Finds what a frame hangs on; None for a root, or a frame that is not known. Raises TransformError."""


def look_up(parent: Parent, target: str, source: str) -> Rigid:
    """Return where `source` lies in `target`.

    Raises TransformError where the frames are not connected, or a transform on the way is not known.
    """
    above, blocked = _above(parent, source)
    if target in above:
        return above[target]
    frame, pose = target, IDENTITY
    seen = {frame}
    while frame not in above:
        edge = parent(frame)
        if edge is None:
            # Where the way up from the source ends early, what is missing there is the reason.
            raise blocked or TransformError(_apart(source, [*above][-1], target, frame))
        pose, frame = edge.pose @ pose, edge.parent
        _check_way(frame, seen)
        seen.add(frame)
    return pose.inverse @ above[frame]


def _above(parent: Parent, source: str) -> tuple[dict[str, Rigid], TransformError | None]:
    """The frames from one up to the root, with where it lies in each, and why they end before the root."""
    found = {source: IDENTITY}
    frame = source
    try:
        while (edge := parent(frame)) is not None:
            pose = edge.pose @ found[frame]
            frame = edge.parent
            _check_way(frame, found)
            found[frame] = pose
    except TransformError as error:
        return found, error
    return found, None


def _check_way(frame: str, seen: dict[str, Rigid] | set[str]) -> None:
    if frame in seen:
        raise TransformError(
            f"the frames hang on each other in a circle: {_listed([*seen, frame])}: one of their transforms "
            "is wrong"
        )
    if len(seen) > MAX_CHAIN_LENGTH:
        raise TransformError(f"{quoted(frame)} is more than {MAX_CHAIN_LENGTH} frames away")


def _apart(source: str, top: str, target: str, target_top: str) -> str:
    def hangs(frame: str, on: str) -> str:
        return f"{quoted(frame)} hangs on {quoted(on) if on != frame else 'nothing'}"

    return f"{hangs(source, top)}, {hangs(target, target_top)}: no transform near the image connects them"


def two_parents(frame: str, one: str, other: str) -> TransformError:
    """What is wrong with a frame that hangs on two others."""
    return TransformError(
        f"{quoted(frame)} hangs on both {quoted(one)} and {quoted(other)}: only one node may say where it is"
    )


def _listed(frames: list[str]) -> str:
    shown = (
        frames if len(frames) <= MAX_FRAMES_SHOWN else [*frames[: MAX_FRAMES_SHOWN - 1], "...", frames[-1]]
    )
    return " -> ".join(quoted(frame) for frame in shown)
