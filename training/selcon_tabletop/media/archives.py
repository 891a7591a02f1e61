"""Archives within packages: Sweet Home 3D's furniture libraries (.sh3f) and Qt's resources (.rcc)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from selcon_ros.core.files.zip_file import open_zip
from selcon_tabletop.media.listing import MediaError

MAX_FILE_BYTES = 64 << 20
"""Bytes of one file of an archive."""


class Members(Protocol):
    """An archive's files: their `names`, and the content of each."""

    names: list[str]

    def read(self, name: str, limit: int) -> bytes:
        """Return a file of at most `limit` bytes. Raises MediaError."""
        ...


@contextmanager
def open_archive(name: str, content: bytes) -> Iterator[Members]:
    """Open an archive called `name`, whose content's hash was checked. Raises MediaError."""
    with tempfile.TemporaryDirectory(prefix="selcon_media_") as folder:
        path = Path(folder) / f"archive{Path(name).suffix}"
        path.write_bytes(content)
        try:
            if path.suffix == ".rcc":
                with _open_rcc(path) as resource:
                    yield resource
            else:
                with open_zip(path, MediaError) as archive:
                    yield archive
        except MediaError as error:
            raise MediaError(f"{name}: {error}") from None


class _Resource:
    """Files of a .rcc; `names` stays empty: nothing here looks for what the list does not name."""

    def __init__(self, root: str) -> None:
        self.names: list[str] = []
        self._root = root

    def read(self, name: str, limit: int) -> bytes:
        from PySide6.QtCore import QResource

        resource = QResource(f":{self._root}/{name}")
        if not resource.isValid() or resource.size() == 0:
            raise MediaError(f"{name} is missing")
        if resource.uncompressedSize() > limit:
            raise MediaError(f"{name} has more than the {limit} bytes allowed")
        return bytes(resource.uncompressedData().data())


@contextmanager
def _open_rcc(path: Path) -> Iterator[_Resource]:
    try:
        from PySide6.QtCore import QResource
    except ImportError as error:
        raise MediaError(
            f"PySide6 reads .rcc files, and cannot be imported ({error}): pip install 'selcon_ros[media]'"
        ) from None
    root = "/selcon_media"
    if not QResource.registerResource(str(path), root):
        raise MediaError("it is no readable .rcc: get the package again")
    try:
        yield _Resource(root)
    finally:
        QResource.unregisterResource(str(path), root)
