"""Reads a bag of rosbag2, mcap or sqlite3: what is in it, and the messages of a stretch of time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import error as StructError
from struct import unpack_from
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.typesys import Stores, TypesysError, get_typestore

from selcon_ros.bags.unpacking import METADATA_FILE, is_compressed_by_file, unpack
from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.text import one_line
from selcon_ros.mcap_bounds import check_mcap

Message = tuple[Connection, int, bytes]
"""The connection, when it was received in ns, and the message in CDR."""


class BagError(SelconError):
    """A bag that is missing, damaged, or does not hold what is asked for."""


class BagReader:
    """An open bag: a folder with metadata.yaml, or a file .mcap or .db3.

    A bag that is compressed by file is unpacked into the system's folder for temporary files. With `check`
    all of an mcap bag is unpacked once, to see that it is whole and within bounds; a bag that was checked
    just before goes without it. Raises BagError for a bag that is missing or damaged.
    """

    def __init__(self, path: Path, check: bool = True) -> None:
        self.path = self.plain = path
        self._check, self._unpacked = check, ExitStack()
        if not path.exists():
            raise BagError(f"no bag at {path}: give its folder, or its .mcap or .db3 file")
        if path.suffix == ".bag" and path.is_file():
            raise BagError(
                f"{path} is a bag of ROS 1: convert it with: rosbags-convert --src {path} --dst {path.stem}"
            )
        if path.is_dir() and not (path / METADATA_FILE).is_file():
            raise BagError(
                f"{path} is no bag of rosbag2, for it has no {METADATA_FILE}: ros2 bag reindex makes one; or "
                "give one .mcap or .db3 file"
            )

    def open(self) -> BagReader:
        """Open it, until the process ends; with a `with` block, until that does.

        `plain` is then where it lies unpacked, as long as it is open: another reader can open that.
        """
        try:
            with self._naming():
                self._open()
        except BaseException:
            self._unpacked.close()
            raise
        return self

    def _open(self) -> None:
        if is_compressed_by_file(self.path):
            folder = self._unpacked.enter_context(TemporaryDirectory(prefix="selcon-bag-"))
            self.plain = unpack(self.path, Path(folder), BagError)
        for file in [self.plain] if self.plain.is_file() else sorted(self.plain.glob("*.mcap")):
            if self._check and file.suffix == ".mcap":
                # Images of a covered or a simulated camera are small when they are compressed.
                check_mcap(file, BagError, each=True)
        self._reader = AnyReader([self.plain], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        self._reader.open()

    def __enter__(self) -> BagReader:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()
        self._unpacked.close()

    @property
    def connections(self) -> list[Connection]:
        """Every topic with its type, as often as it was published in different ways."""
        return list(self._reader.connections)

    def of(self, topic: str | None) -> list[Connection]:
        """The connections of a topic; of None, none."""
        return [each for each in self._reader.connections if each.topic == topic]

    def messages(
        self, connections: Collection[Connection], start: int | None = None, end: int | None = None
    ) -> Iterator[Message]:
        """Yield messages in the order in which they were received, from `start` until before `end` in ns."""
        if not connections:
            return
        with self._naming():
            yield from self._reader.messages(connections, start, end)

    def deserialize(self, connection: Connection, data: bytes) -> Any:
        """A message of this bag, by its own definition: ROS need not know the type.

        Raises BagError for a damaged one.
        """
        try:
            return self._reader.deserialize(data, connection.msgtype)
        except Exception as error:  # whatever rosbags makes of it
            raise BagError(f"a {connection.msgtype} cannot be read: {first_line(error)}") from error

    def definition(self, connection: Connection) -> tuple[str, str] | None:
        """A type's definition and its hash (REP 2011), as bags hold them; None for a type that is not known.

        The hash is computed, for a bag need not have it.
        """
        store = self._reader.typestore
        try:
            text = connection.msgdef.data or store.generate_msgdef(connection.msgtype, ros_version=2)[0]
            return text, store.hash_rihs01(connection.msgtype)
        except (KeyError, TypesysError):
            return None

    def first(self, connection: Connection) -> bytes | None:
        """The first message of a connection, None if there is none."""
        return next((data for _, _, data in self.messages([connection])), None)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """What is wrong with a bag as BagError, with its path."""
        try:
            yield
        except (SelconError, MemoryError):
            raise
        except Exception as error:  # whatever a damaged file makes of rosbags, zstd, sqlite3 and ours
            why = one_line(first_line(error), 300)
            raise BagError(f"bag {self.path} cannot be read: {why}. Is it whole? Copy it again.") from error


def stamp_of(data: bytes) -> int:
    """The stamp in ns of a message that begins with a header, without reading the rest of it.

    CDR: four bytes, of which the second says the byte order, then the header's seconds and nanoseconds.
    Raises BagError for a message that is too short.
    """
    try:
        seconds, nanoseconds = unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    except (StructError, IndexError):
        raise BagError(f"a message of {len(data)} bytes has no header") from None
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
