"""Unpacks a bag whose files are compressed as a whole, as far as the disk has room."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePath
from typing import Any

import yaml

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import one_line
from selcon_ros.mcap_bounds import zstd_stream

METADATA_FILE = "metadata.yaml"
"""What makes a folder a bag."""
COMPRESSED_SUFFIX = ".zstd"
MIN_FREE_DISK_BYTES = 1 << 30
"""Bytes of the disk that stay free."""
_CHUNK_BYTES, _CHUNKS_PER_CHECK = 1 << 20, 64
"""Bytes at a time, and after how many times the disk is looked at."""


def is_compressed_by_file(bag: Path) -> bool:
    """Whether each file of a bag folder is one compressed file."""
    return bag.is_dir() and any(bag.glob(f"*{COMPRESSED_SUFFIX}")) and _mode(_information(bag)) == "file"


def unpack(bag: Path, into: Path, fault: type[SelconError]) -> Path:
    """Unpack a bag that is compressed by file into an empty folder, and return that.

    Raises `fault` for what the disk has no room for, OSError, and what zstd raises for damaged files.
    """
    information = _information(bag)
    names = [PurePath(name).name for name in information["relative_file_paths"]]
    for name in names:
        _unpack_file(bag / name, into / _plain(name), bag, fault)
    information |= {
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [_plain(name) for name in names],
    }
    for each in information.get("files") or ():
        each["path"] = _plain(PurePath(each["path"]).name)
    (into / METADATA_FILE).write_text(yaml.safe_dump({"rosbag2_bagfile_information": information}))
    return into


def _information(bag: Path) -> dict[str, Any]:
    """What the metadata say; empty for damaged ones, which rosbags then says."""
    try:
        found = yaml.safe_load((bag / METADATA_FILE).read_text())["rosbag2_bagfile_information"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _mode(information: dict[str, Any]) -> str:
    mode, form = information.get("compression_mode"), information.get("compression_format")
    return str(mode).lower() if form == "zstd" and information.get("relative_file_paths") else ""


def _plain(name: str) -> str:
    return name.removesuffix(COMPRESSED_SUFFIX)


def _unpack_file(file: Path, to: Path, bag: Path, fault: type[SelconError]) -> None:
    with file.open("rb") as packed, zstd_stream(packed) as stream, to.open("xb") as out:
        for step in range(1 << 62):
            if step % _CHUNKS_PER_CHECK == 0 and shutil.disk_usage(to.parent).free < MIN_FREE_DISK_BYTES:
                raise fault(
                    f"{one_line(str(bag), 300)} is compressed by file, and {to.parent.parent} has no room to "
                    "unpack it: set TMPDIR to a folder on a larger disk, or use ros2 bag convert"
                )
            if not (data := stream.read(_CHUNK_BYTES)):
                return
            out.write(data)
