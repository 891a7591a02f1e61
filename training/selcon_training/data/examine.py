"""One file of a data set, decoded in full: its content's hash, size, and whatever is odd about it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2

from selcon_ros.core.files import read_bytes
from selcon_ros.core.image_decoding import decode
from selcon_ros.core.image_header import read_header
from selcon_training.data.images import LIMIT
from selcon_training.errors import DataError

Role = Literal["picture", "truth", "map"]
"""A picture of the set; a truth map, read as grey; any other map (mask, depth, labels), read as it is."""
READ_AS = {"picture": cv2.IMREAD_COLOR, "truth": cv2.IMREAD_GRAYSCALE, "map": cv2.IMREAD_UNCHANGED}
GROUP = 64
"""Files examined together."""
DECODERS = ("Corrupt JPEG", "Premature end of JPEG", "libpng")
"""How decoders' lines about damage begin."""


@dataclass(frozen=True)
class FileFacts:
    """What was found: ``error`` says why a file cannot be read; then nothing but its digest is known."""

    digest: bytes
    error: str | None = None
    shape: tuple[int, int] = (0, 0)
    """Height, width as it is read: after EXIF rotation."""
    blank: bool = False
    """Zero everywhere."""
    oddities: tuple[str, ...] = ()
    """Formats other than 8-bit colour JPEG or PNG; all are read properly."""
    complaint: str | None = None
    """What the decoder said of damage that it decoded nevertheless."""


def examine(path: Path, role: Role) -> FileFacts:
    """Decode one file. Never raises for a bad file."""
    digest = b""
    try:
        content = read_bytes(path, DataError)
        digest = hashlib.sha256(content).digest()
        image = decode(content, path.name, READ_AS[role], DataError, None, LIMIT)
    except DataError as error:
        return FileFacts(digest, error=str(error))
    odd = _oddities(content) if role == "picture" else ()
    return FileFacts(digest, None, image.shape[:2], not image.any(), odd)


def examine_all(files: Sequence[tuple[Path, Role]], threads: int | None) -> Iterator[FileFacts]:
    """Yield the facts of every file in order, decoding in ``threads`` (None: one a core).

    What decoders write to standard error is kept from the screen: libjpeg tells of damage nowhere else. Where
    a group of files has caused such words its members are examined again one by one, to tell whose they are.
    """
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for start in range(0, len(files), GROUP):
            group = files[start : start + GROUP]
            with _decoder_words() as words:
                facts = list(pool.map(examine, *zip(*group, strict=True)))
                complained = words() is not None
            yield from map(_attribute, group, facts) if complained else facts


def _attribute(file: tuple[Path, Role], facts: FileFacts) -> FileFacts:
    if facts.error is not None:
        return facts
    with _decoder_words() as words:
        examine(*file)
        return replace(facts, complaint=words())


def _oddities(content: bytes) -> tuple[str, ...]:
    header = read_header(content)
    if header is None:  # what is decoded has a header
        return ()
    odd = []
    if header.kind not in ("JPEG", "PNG"):
        odd.append("neither JPEG nor PNG")
    if header.colours != "colour":
        odd.append(header.colours)
    if header.bits != 8 and header.colours != "palette":
        odd.append(f"{header.bits} bits")
    if header.orientation != 1:
        odd.append("rotated by EXIF")
    return tuple(odd)


@contextmanager
def _decoder_words() -> Iterator[Callable[[], str | None]]:
    """Catch what decoders write to standard error, past Python."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)

        def words() -> str | None:
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            return next((line for line in lines if line.startswith(DECODERS)), None)

        try:
            yield words
        finally:
            os.dup2(kept, 2)
            os.close(kept)
