import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from selcon_ros.core.errors import BundleError
from selcon_ros.core.files import zip_file
from selcon_ros.core.files.zip_file import open_zip


def packed(path: Path, files: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names given twice
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in files:
                archive.writestr(name, content)
    return path


def read(path: Path, name: str, limit: int = 1 << 20) -> bytes:
    with open_zip(path, BundleError) as archive:
        return archive.read(name, limit)


def test_what_was_packed_is_read(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = packed(tmp_path / "a.zip", [("x", b"one" * 999), ("y", b"")], method)
        assert read(path, "x") == b"one" * 999 and read(path, "y") == b""


def test_a_file_s_bound_holds_for_what_comes_out_not_for_what_the_header_says(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", [("x", bytes(5000))])
    with pytest.raises(BundleError, match="x has more than the 4999 bytes allowed"):
        read(path, "x", 4999)
    content = path.read_bytes().replace(struct.pack("<L", 5000), struct.pack("<L", 10))
    path.write_bytes(content)
    with pytest.raises(BundleError, match="damaged|not a readable .zip"):
        read(path, "x", 4999)


def test_files_are_bounded_by_the_archive_s_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_file, "ALLOWANCE_BYTES", 1000)
    path = packed(tmp_path / "a.zip", [("x", bytes(900)), ("y", bytes(3000)), ("z", bytes(20_000))])
    with open_zip(path, BundleError) as archive:
        assert len(archive.read("x", 1 << 20)) == 900
        assert len(archive.read("y", 1 << 20)) == 3000
        with pytest.raises(BundleError, match="z is over 20 times as large as the archive"):
            archive.read("z", 1 << 20)
        # All together: the same file again and again is no way around it.
        with pytest.raises(BundleError, match="over 20 times"):
            for _ in range(10):
                archive.read("y", 1 << 20)


def test_a_list_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.zip", [(f"file{number}", b"") for number in range(100)])
    assert read(path, "file7") == b""
    monkeypatch.setattr(zip_file, "MAX_DIRECTORY_BYTES", 5000)
    with pytest.raises(BundleError, match="its list of files has over 5000 bytes"):
        read(path, "file7")


@pytest.mark.parametrize(
    ("files", "method", "says"),
    [
        ([("x", b"1"), ("x", b"2")], zipfile.ZIP_STORED, "it holds 'x' more than once"),
        ([("x", b"1" * 99)], zipfile.ZIP_LZMA, "x is compressed in an unusual way: pack it with deflate"),
        ([("x", b"1" * 99)], zipfile.ZIP_BZIP2, "x is compressed in an unusual way"),
        ([("y", b"1")], zipfile.ZIP_STORED, "x is missing"),
    ],
)
def test_what_is_not_taken(tmp_path: Path, files: list[tuple[str, bytes]], method: int, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        read(packed(tmp_path / "a.zip", files, method), "x")


def test_an_encrypted_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", [("x", b"content")], zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the file's own header, and in the list of files
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="encrypted: pack it without a password"):
        read(path, "x")


def test_an_archive_of_a_later_version(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", [("x", b"content")], zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 6] = 99  # what is needed to extract it
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"that is not read \(zip file version 9.9\): pack it anew"):
        read(path, "x")


def test_an_archive_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", [("x", b"some content" * 5)])
    whole = path.read_bytes()
    for place in range(len(whole)):
        for value in (0, 255, whole[place] ^ 1):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                read(path, "x")
            except BundleError as error:
                assert "\n" not in str(error)
