import os
import socket
from pathlib import Path

import pytest

from selcon_ros.core.errors import ImageError
from selcon_ros.core.files.plain_file import kind_of, read_bytes, require_plain_file


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("x")
    assert read_bytes(tmp_path / "link", ImageError, 5) == b"12345"
    with pytest.raises(ImageError, match="x: it has 5 bytes, more than the 4 that are read"):
        read_bytes(tmp_path / "x", ImageError, 4)
    with pytest.raises(ImageError, match="more than the 4 that are read"):
        read_bytes("/proc/self/status", ImageError, 4)  # a plain file that says it is empty


def test_a_small_file_takes_little_memory_however_large_a_file_may_be(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"content")
    assert read_bytes(path, ImageError, limit=1 << 62) == b"content"


def test_what_is_no_plain_file_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
    for path, says in {
        "pipe": "a pipe",
        "folder": "a directory",
        "socket": "a socket",
        "/dev/null": "a device",
    }.items():
        assert kind_of(os.stat(path).st_mode) == says
        with pytest.raises(ImageError, match=f"{path}: it is {says}, not a plain file"):
            require_plain_file(path, ImageError)
    (tmp_path / "file").write_bytes(b"")
    require_plain_file("file", ImageError)
