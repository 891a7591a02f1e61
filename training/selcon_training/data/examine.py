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

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode, judge
from selcon_ros.core.pictures.image_header import ImageHeader
from selcon_training.data.images import PIXEL_LIMIT
from selcon_training.data.pairs import Stored, stored_truth
from selcon_training.data.truth_maps import TruthError, decode_truth
from selcon_training.errors import DataError

Role = Literal["picture", "truth", "map"]
"""A picture of the set; a truth map or mask; any other map (depth, labels), read as it is."""
FILES_PER_GROUP = 64
"""Files examined together."""
DAMAGE_PREFIXES = ("Corrupt JPEG", "Premature end of JPEG", "libpng")
"""How decoders' lines about damage begin."""


UNKNOWN_FORM = Stored((0, 0), 1)


@dataclass(frozen=True)
class FileFacts:
    """What was found: `error` says why a file cannot be read; then nothing but its digest is known."""

    digest: bytes
    error: str | None = None
    unclear: str | None = None
    """Of a truth map: why nobody can tell what its values mean; then nothing else is known either."""
    stored: Stored = UNKNOWN_FORM
    """Size before EXIF rotation, and its orientation."""
    peak: int = 0
    """The largest value of a truth map as it is read, 0..255."""
    note: str = ""
    """How the values of a truth map are read where not as they are."""
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
        if role == "truth":
            truth = decode_truth(content, path.name)
            return FileFacts(digest, stored=stored_truth(truth), peak=truth.peak, note=truth.note)
        flags = cv2.IMREAD_COLOR if role == "picture" else cv2.IMREAD_UNCHANGED
        decode(content, path.name, flags, DataError, None, PIXEL_LIMIT)
        header = judge(content, path.name, DataError)
    except TruthError as error:
        return FileFacts(digest, unclear=str(error))
    except DataError as error:
        return FileFacts(digest, error=str(error))
    stored = Stored((header.height, header.width), header.orientation)
    return FileFacts(digest, stored=stored, oddities=_oddities(header) if role == "picture" else ())


def examine_all(files: Sequence[tuple[Path, Role]], threads: int | None) -> Iterator[FileFacts]:
    """Yield the facts of every file in order, decoding in `threads` (None: one a core).

    What decoders write to standard error is kept from the screen: libjpeg tells of damage nowhere else. Where
    a group of files has caused such words its members are examined again one by one, to tell whose they are.
    """
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for start in range(0, len(files), FILES_PER_GROUP):
            group = files[start : start + FILES_PER_GROUP]
            with _decoder_words() as words:
                facts = list(pool.map(examine, *zip(*group, strict=True)))
                complained = words() is not None
            yield from map(_attribute, group, facts) if complained else facts


def _attribute(file: tuple[Path, Role], facts: FileFacts) -> FileFacts:
    if facts.error is not None or facts.unclear is not None:
        return facts
    with _decoder_words() as words:
        examine(*file)
        return replace(facts, complaint=words())


def _oddities(header: ImageHeader) -> tuple[str, ...]:
    odd: list[str] = [header.kind] if header.kind not in ("JPEG", "PNG") else []
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
            return next((line for line in lines if line.startswith(DAMAGE_PREFIXES)), None)

        try:
            yield words
        finally:
            os.dup2(kept, 2)
            os.close(kept)
