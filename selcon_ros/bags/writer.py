"""Writes ROS messages, serialised as they came, into an mcap bag for rosbag2, RViz and Foxglove."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionFormat
from rosbags.typesys import Stores, get_typestore

Definition = tuple[str, str]
"""Of a type: the text that defines it and its hash (REP 2011)."""


class Bag:
    """A bag folder, replaced if it exists: NAME/NAME.mcap and NAME/metadata.yaml, chunks compressed.

    Where the disk does not take it, none is left.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists():
            shutil.rmtree(folder)
        self._folder = folder
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._connections: dict[str, Any] = {}
        self._copied: dict[tuple[str, str, str], Connection] = {}

    def __enter__(self) -> Bag:
        self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._naming():
                self._writer.close()
        except OSError:
            kind = OSError
            raise
        finally:
            if kind is not None and issubclass(kind, OSError):  # the disk is full: half a bag is of no use
                shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, topic: str, type_name: str, time_ns: int, data: bytes, qos: Sequence[Any] = ()) -> None:
        """Add a message of `type_name` ("sensor_msgs/msg/Image") in CDR, received at `time_ns`.

        `qos` is the publisher's, as rosbags has it.
        """
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=self._store, offered_qos_profiles=qos
            )
        with self._naming():
            self._writer.write(self._connections[topic], time_ns, data)

    def copy(self, connection: Connection, time_ns: int, data: bytes, definition: Definition) -> None:
        """Add a message as it is in another bag, with the publishers' QoS.

        `definition` is that of its type.
        """
        extra = connection.ext
        assert isinstance(extra, ConnectionExtRosbag2)
        key = (connection.topic, connection.msgtype, str(extra))
        if key not in self._copied:
            text, digest = definition
            self._copied[key] = self._writer.add_connection(
                connection.topic,
                connection.msgtype,
                msgdef=text,
                rihs01=digest,
                serialization_format=extra.serialization_format,
                offered_qos_profiles=extra.offered_qos_profiles,
            )
        with self._naming():
            self._writer.write(self._copied[key], time_ns, data)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Let errors of writing name the bag."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error
