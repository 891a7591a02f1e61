"""What is done of a bag: a folder for each stretch, from which a run that was stopped goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from selcon_ros.bags.grounding import BagRow, Grounded, jpeg
from selcon_ros.bags.plan import Segment
from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.bags.writer import Bag, Definition
from selcon_ros.core.files.atomic_write import making_folder, write_json
from selcon_ros.core.files.json_file import read_object

KEY_FILE = "key.json"
ROWS_FILE = "rows.json"
BAG_FOLDER = "bag"
TILE_WIDTH = 480
"""Pixels that a picture of the summary is wide."""
FOREVER = QosTime(2_147_483_647, 4_294_967_295)
RELIABLE = (
    Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.VOLATILE,
        FOREVER,
        FOREVER,
        QosLiveliness.AUTOMATIC,
        FOREVER,
        False,
    ),
)
"""As the node's publishers have it."""


class BagParts:
    """The folder of the stretches that are done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, key: str, choose: Callable[[], tuple[str, str]]) -> tuple[str, str]:
        """Make the folder, or go on with the one that is there; return the engine and its precision.

        `key` is that of everything that decides about the results, but for what is chosen by measuring.
        `choose` chooses engine and precision; what it chose at first holds for all of a run. Raises BagError
        if what is there is of something else.
        """
        if not self.folder.exists():
            backend, precision = choose()
            with making_folder(self.folder) as folder:
                write_json(folder / KEY_FILE, {"key": key, "backend": backend, "precision": precision})
            return backend, precision
        known = read_object(self.folder / KEY_FILE, BagError)
        if known.get("key") != key:
            raise BagError(
                f"{self.folder} is the beginning of another run (another bag, model or other options): "
                "delete it, or choose another --out"
            )
        return str(known.get("backend")), str(known.get("precision"))

    def has(self, segment: Segment) -> bool:
        """Whether a stretch is done."""
        return (self._of(segment) / ROWS_FILE).is_file()

    def write(self, segment: Segment, grounded: Iterable[Grounded]) -> None:
        """Ground a stretch, and keep its messages, its rows and a picture of each action."""
        with making_folder(self._of(segment)) as folder:
            rows: list[dict[str, Any]] = []
            with Bag(folder / BAG_FOLDER) as bag:
                for each in grounded:
                    for topic, kind, data in each.outputs:
                        bag.write(topic, kind, each.received, data, RELIABLE)
                    rows += [asdict(row) for row in each.rows]
                    for number, overlay in enumerate(each.overlays.values()):
                        if not (picture := folder / f"{number}.jpg").exists():
                            height = max(1, round(overlay.shape[0] * TILE_WIDTH / overlay.shape[1]))
                            small = cv2.resize(overlay, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
                            picture.write_bytes(jpeg(small))  # type: ignore[arg-type]
            write_json(folder / ROWS_FILE, {"rows": rows})

    def rows(self, segment: Segment) -> list[BagRow]:
        """The rows of a stretch."""
        return [BagRow(**row) for row in json.loads((self._of(segment) / ROWS_FILE).read_text())["rows"]]

    def picture(self, segment: Segment, number: int) -> Path | None:
        """The picture of an action by its number; None if no image of the stretch could be grounded."""
        file = self._of(segment) / f"{number}.jpg"
        return file if file.exists() else None

    def messages(self, every: Iterable[Segment]) -> Iterator[tuple[Connection, int, bytes, Definition]]:
        """The messages of these stretches, each with its type's definition and hash."""
        for segment in every:
            with BagReader(self._of(segment) / BAG_FOLDER, check=False) as reader:
                definitions = {each.msgtype: reader.definition(each) for each in reader.connections}
                for connection, received, data in reader.messages(reader.connections):
                    found = definitions[connection.msgtype]
                    assert found is not None  # they are ROS's own
                    yield connection, received, data, found

    def remove(self) -> None:
        """Delete all."""
        shutil.rmtree(self.folder)

    def _of(self, segment: Segment) -> Path:
        return self.folder / f"{segment.number:06d}"
