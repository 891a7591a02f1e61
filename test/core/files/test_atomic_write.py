import os
import stat
import tempfile
from pathlib import Path

import pytest

from selcon_ros.core.files.atomic_write import check_destination, making_folder, write_file, writing
from support.disk import files_of_at_most, without_rights


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_with_its_folders_and_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    for content in (b"first", b"second"):
        write_file(path, content)
        assert path.read_bytes() == content
    assert names(path.parent) == ["file.txt"]


def test_permissions_are_the_usual_ones_and_stay(tmp_path: Path) -> None:
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_bytes(b"")
    write_file(ours, b"")
    assert ours.stat().st_mode == plain.stat().st_mode
    ours.chmod(0o640)
    write_file(ours, b"more")
    assert stat.S_IMODE(ours.stat().st_mode) == 0o640


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"content"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"before")
    with files_of_at_most(1000), pytest.raises(OSError, match="File too large") as caught:
        write_file(path, b"x" * 2000)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"before" and names(tmp_path) == ["file"]


def test_an_error_in_the_block_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"before")
    with pytest.raises(KeyboardInterrupt), writing(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"before" and names(tmp_path) == ["file"]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, writing(tmp_path / "out"):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")


def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    for content in ("first", "second"):
        with making_folder(out) as fresh:
            (fresh / content).write_text(content)
        assert names(out) == [content]
    with files_of_at_most(10), pytest.raises(OSError, match="File too large") as caught:
        with making_folder(out) as fresh:
            (fresh / "third").write_text("x" * 100)
    assert caught.value.filename == str(out)
    assert names(out) == ["second"] and names(out.parent) == ["out"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_former_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with making_folder(out) as fresh:
        (fresh / "first").write_text("first")
    with pytest.raises(FileNotFoundError), making_folder(out) as fresh:
        fresh.rmdir()
    assert names(out) == ["first"] and names(tmp_path) == ["out"]


@pytest.mark.parametrize("check", [check_destination, lambda path: write_file(path, b"x")])
def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path, check) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "loop").symlink_to("loop")
    for name, says in {
        "pipe": "it is a pipe, not a plain file",
        ".": "Is a directory",
        "file/below": "Not a directory|is not a folder",
        "loop": "Too many levels of symbolic links",
    }.items():
        with pytest.raises(OSError, match=says) as caught:
            check(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)
    assert names(tmp_path) == ["file", "loop", "pipe"] and (tmp_path / "file").read_text() == "kept"


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OSError, match="it is a device, not a plain file"):
        write_file("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_folders_without_the_right_to_write() -> None:
    # Not tmp_path, which lies in a folder that others may not even enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        with without_rights():
            for write in (check_destination, lambda path: write_file(path, b"x")):
                with pytest.raises(PermissionError, match="denied|cannot be written to") as caught:
                    write(folder / "file")
                assert caught.value.filename == str(folder / "file")


def test_a_folder_that_may_be_written_to_and_not_listed() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o333)
        with without_rights():
            write_file(Path(name) / "file", b"content")
        Path(name).chmod(0o755)
        assert (Path(name) / "file").read_bytes() == b"content"


def test_a_destination_is_checked_without_touching_it(tmp_path: Path) -> None:
    check_destination(tmp_path / "new" / "file")
    check_destination(tmp_path / "new" / "folder", folder=True)
    check_destination(tmp_path, folder=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        check_destination(tmp_path / "file", folder=True)
    assert names(tmp_path) == ["file"]
