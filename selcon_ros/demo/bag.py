"""Writes ROS messages, serialised as they came, into an mcap bag for rosbag2, RViz and Foxglove."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionFormat
from rosbags.typesys import Stores, get_typestore


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

    def write(self, topic: str, type_name: str, time_ns: int, data: bytes) -> None:
        """Add a message of `type_name` ("sensor_msgs/msg/Image") in CDR, received at `time_ns`."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, type_name, typestore=self._store)
        with self._naming():
            self._writer.write(self._connections[topic], time_ns, data)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Let errors of writing name the bag."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error
