"""What is to be done with a bag: the camera's topics, the actions, and the stretches of time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from selcon_ros import __version__
from selcon_ros.bags.reader import BagReader
from selcon_ros.bags.topics import CameraTopics
from selcon_ros.core.text import quoted
from selcon_ros.ros.action_topics import topic_names
from selcon_ros.ros.parameters import Settings

BAG_FILE_SUFFIXES = frozenset({".yaml", ".mcap", ".db3", ".zstd"})
"""Of a bag's files."""
IMAGES_PER_SEGMENT = 25
"""Images that are grounded at a stretch: after so many, a run that was stopped goes on."""


@dataclass(frozen=True)
class Segment:
    """Images received from `start` until before `end`, in ns; `count` of them."""

    number: int
    start: int
    end: int
    count: int


@dataclass(frozen=True)
class BagPlan:
    """A bag and what is asked about its images.

    bundle, settings.backend, settings.precision and the limits of grasp points are those of the node's
    parameters, and so are its target_frame and cloud_part. actions: of the model, each once. prefix: of the
    topics that are written. heatmaps, cloud: write them, too.
    """

    bag: Path
    bundle: Path
    topics: CameraTopics
    actions: tuple[str, ...]
    known: tuple[str, ...]
    prefix: str
    settings: Settings
    heatmaps: bool
    cloud: bool = True

    def topic(self, kind: str, action: str) -> str:
        """The topic of an action's output: `PREFIX/KIND`; of several actions, `PREFIX/KIND/ACTION`."""
        own = f"/{topic_names(self.known)[action]}" if len(self.actions) > 1 else ""
        return f"{self.prefix}/{kind}{own}"

    def key(self, manifest: str) -> str:
        """A hash of all that decides about the results.

        `manifest` is the bundle's, which has its files' hashes.
        """
        # Not what else lies in a bag's folder: it may be where the results go.
        files = [self.bag] if self.bag.is_file() else sorted(self.bag.iterdir())
        files = [file for file in files if file.suffix in BAG_FILE_SUFFIXES]
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return hashlib.sha256(repr((__version__, asdict(self), stats, manifest)).encode()).hexdigest()


def segments(reader: BagReader, topic: str) -> list[Segment]:
    """Divide the images of a topic into stretches of `IMAGES_PER_SEGMENT` or so, as received."""
    # Of a bag of several files, each begins where its recorder's clock was.
    times = sorted(time for _, time, _ in reader.messages(reader.of(topic)))
    found: list[Segment] = []
    first = 0
    while first < len(times):
        last = min(first + IMAGES_PER_SEGMENT, len(times))
        # What was received at one time stays together.
        while last < len(times) and times[last] == times[last - 1]:
            last += 1
        end = times[last] if last < len(times) else times[-1] + 1
        found.append(Segment(len(found), times[first], end, last - first))
        first = last
    return found


def taken_topics(reader: BagReader, prefix: str) -> str:
    """Say which topics the bag has below a prefix already; "" if none."""
    there = sorted({each.topic for each in reader.connections if each.topic.startswith(f"{prefix}/")})
    return _listed(there) if there else ""


def _listed(topics: Sequence[str]) -> str:
    more = f" and {len(topics) - 3} more" if len(topics) > 3 else ""
    return ", ".join(quoted(topic) for topic in topics[:3]) + more
