"""Is an mcap file whole, and is what its chunks unpack to within bounds? Asked before rosbags reads it, which
unpacks whatever it is given.

Source: the MCAP format specification, "Records": an opcode, the length in 8 bytes, the content; chunks hold
compressed records, and the index says where they lie.
"""

from __future__ import annotations

import io
from pathlib import Path
from struct import error as StructError
from struct import unpack_from
from typing import Any, BinaryIO

from selcon_ros.core.errors import SelconError

MAGIC = b"\x89MCAP0\r\n"
FOOTER, CHUNK, CHUNK_INDEX, DATA_END = 0x02, 0x06, 0x08, 0x0F
MAX_EXPANSION = 20
"""Chunks may be so many times as large as the file: they hold pictures, which are compressed already."""
ALLOWANCE_BYTES = 64 << 20
"""Bytes that they may have in any case."""
_CHUNK_BYTES = 1 << 20
_REMEDY = "Copy it again, or if its recorder was killed, save what is there: mcap recover FILE -o NEW"
Chunk = tuple[int, str, int]  # where it lies, how it is compressed, and its compressed size


def check_mcap(path: Path, fault: type[SelconError], each: bool = False) -> None:
    """Raise `fault` for a file that is cut short or no mcap file, whose chunks unpack to more than the
    bounds, or whose index says that there are chunks where there are none.

    With `each` the bounds are of each chunk, not of all: for a caller that holds one at a time.
    """
    subject, size = f"{path} cannot be read as a recording", path.stat().st_size
    left, found, listed = ALLOWANCE_BYTES + MAX_EXPANSION * size, set[Chunk](), set[Chunk]()
    at, opcode = len(MAGIC), 0
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise fault(f"{subject}: it is no mcap file. Copy it again.")
        try:
            while opcode != FOOTER:
                opcode, length = unpack_from("<BQ", file.read(9))
                if at + 9 + length > size:
                    raise fault(f"{subject}: it is cut short. {_REMEDY}")
                if opcode in (CHUNK, CHUNK_INDEX):
                    # A chunk may be as large as the file, an index is small.
                    content = file.read(length)
                    if opcode == CHUNK_INDEX:
                        listed.add(_listed(content))
                    else:
                        compression, data = _chunk(content)
                        found.add((at, compression, len(data)))
                        most = ALLOWANCE_BYTES + MAX_EXPANSION * len(data) if each else left
                        unpacked = _unpacked(data, compression, most)
                        left -= unpacked
                        if unpacked > most:
                            raise fault(f"{subject}: it unpacks to over {MAX_EXPANSION} times its size")
                at = file.seek(at + 9 + length)
            whole = file.read() == MAGIC
        except fault:
            raise
        except (StructError, UnicodeDecodeError):
            raise fault(f"{subject}: it is damaged. {_REMEDY}") from None
        except Exception as error:  # what zstd and lz4 raise
            raise fault(f"{subject}: it is damaged ({type(error).__name__}). {_REMEDY}") from None
    if not whole or not listed <= found:
        raise fault(f"{subject}: it is damaged. {_REMEDY}")


def _chunk(content: bytes) -> tuple[str, bytes]:
    """How a chunk is compressed, and its compressed content."""
    (length,) = unpack_from("<I", content, 28)
    compression = content[32 : 32 + length].decode()
    (size,) = unpack_from("<Q", content, 32 + length)
    data = content[40 + length : 40 + length + size]
    if len(data) != size:
        raise StructError
    return compression, data


def _listed(content: bytes) -> Chunk:
    """The chunk that an entry of the index speaks of."""
    (at,) = unpack_from("<Q", content, 16)
    (offsets,) = unpack_from("<I", content, 32)
    (length,) = unpack_from("<I", content, 44 + offsets)
    end = 48 + offsets + length
    return at, content[48 + offsets : end].decode(), unpack_from("<Q", content, end)[0]


def _unpacked(data: bytes, compression: str, limit: int) -> int:
    """Return how many bytes a chunk unpacks to, at most a step more than `limit`."""
    if compression == "":
        return len(data)
    openers = {"zstd": zstd_stream, "lz4": _lz4}
    if compression not in openers:
        raise StructError
    count = 0
    with openers[compression](io.BytesIO(data)) as stream:
        while count <= limit and (step := stream.read(_CHUNK_BYTES)):
            count += len(step)
    return count


def zstd_stream(data: BinaryIO) -> Any:
    """Return a file that unpacks another one, as it is read."""
    try:
        from backports import zstd
    except ImportError:  # older rosbags bring another library for it
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
    return zstd.ZstdFile(data)


def _lz4(data: io.BytesIO) -> Any:
    from lz4.frame import LZ4FrameFile

    return LZ4FrameFile(data)
