"""A recording is bounded before it is read: by its size, by what its chunks unpack to, by its index."""

import struct
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from lz4.frame import compress

from selcon_ros import mcap_bounds
from selcon_ros.mcap_bounds import CHUNK, CHUNK_INDEX, FOOTER, MAGIC, check_mcap
from selcon_ros.recording import BAG_NAME, RecordingError, default_recording


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def chunk(data: bytes, compression: str = "", packed: bytes | None = None) -> bytes:
    packed = data if packed is None else packed
    head = struct.pack("<QQQI", 0, 0, len(data), 0) + text(compression)
    return record(CHUNK, head + struct.pack("<Q", len(packed)) + packed)


def index(at: int, size: int, compression: str = "") -> bytes:
    head = struct.pack("<QQQQI", 0, 0, at, size, 0) + struct.pack("<Q", 0) + text(compression)
    return record(CHUNK_INDEX, head + struct.pack("<QQ", size, size))


def mcap(path: Path, *records: bytes) -> Path:
    path.write_bytes(MAGIC + b"".join(records) + record(FOOTER, bytes(20)) + MAGIC)
    return path


def refused(path: Path, says: str) -> None:
    with pytest.raises(RecordingError, match=f"cannot be read as a recording: {says}") as caught:
        check_mcap(path, RecordingError)
    assert "\n" not in str(caught.value)


def zstd(data: bytes) -> bytes:
    backports = pytest.importorskip("backports.zstd", reason="this rosbags has another library for zstd")
    return bytes(backports.compress(data))


def test_what_is_whole_passes(tmp_path: Path) -> None:
    check_mcap(default_recording() / BAG_NAME, RecordingError)
    data = b"some records" * 9
    check_mcap(mcap(tmp_path / "a", chunk(data), index(len(MAGIC), len(data))), RecordingError)
    check_mcap(mcap(tmp_path / "b", chunk(data, "lz4", compress(data))), RecordingError)
    check_mcap(mcap(tmp_path / "c", chunk(data, "zstd", zstd(data))), RecordingError)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_what_chunks_unpack_to_is_bounded_whatever_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    data = bytes(200_000)
    packed = compress(data) if compression == "lz4" else zstd(data)
    path = mcap(tmp_path / "a", chunk(b"", compression, packed))
    check_mcap(path, RecordingError)
    monkeypatch.setattr(mcap_bounds, "ALLOWANCE_BYTES", 1000)
    monkeypatch.setattr(mcap_bounds, "_CHUNK_BYTES", 1000)
    refused(path, "it unpacks to over 20 times its size")
    with pytest.raises(RecordingError, match="it unpacks to over 20 times its size"):
        check_mcap(path, RecordingError, each=True)


def test_the_bounds_of_each_chunk_let_a_long_file_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcap_bounds, "ALLOWANCE_BYTES", 10_000)
    path = mcap(tmp_path / "a", *[chunk(b"", "zstd", zstd(bytes(9000)))] * 9)
    refused(path, "it unpacks to over 20 times its size")
    check_mcap(path, RecordingError, each=True)


def test_an_index_must_speak_of_chunks_that_are_there(tmp_path: Path) -> None:
    data = b"records"
    for wrong in (index(9, 7), index(8, 8), index(8, 7, "zstd")):
        refused(mcap(tmp_path / "a", chunk(data), wrong), "it is damaged")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is no mcap file"),
        (MAGIC, "it is damaged"),
        (MAGIC + struct.pack("<BQ", 5, 1 << 60), "it is cut short"),
        (MAGIC + chunk(b"abc")[:-1] + b"", "it is cut short"),
        (MAGIC + chunk(b"abc", "brotli") + record(FOOTER, bytes(20)) + MAGIC, "it is damaged"),
        (MAGIC + chunk(b"abc", "zstd") + record(FOOTER, bytes(20)) + MAGIC, "it is damaged"),
        (MAGIC + chunk(b"abc", "lz4") + record(FOOTER, bytes(20)) + MAGIC, "it is damaged"),
        (MAGIC + record(CHUNK, b"short") + record(FOOTER, bytes(20)) + MAGIC, "it is damaged"),
        (MAGIC + record(FOOTER, bytes(20)), "it is damaged"),
    ],
)
def test_what_is_damaged_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a").write_bytes(content)
    refused(tmp_path / "a", says)
