import os
from pathlib import Path

from selcon_ros.core.pictures.picture_folder import is_picture, pictures_below


def test_pictures_are_found_below_a_folder_but_for_hidden_ones(tmp_path: Path) -> None:
    names = ["a 2/1.png", "a/10.png", "a/2.JPG", "a/_.webp", "a/sub/x.tiff", "b.bmp", "é.jpeg"]
    others = ["._b.bmp", ".trash/x.png", "a/.x.png", "a/notes.txt", "a/.png", "png"]
    for name in [*reversed(names), *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = pictures_below(tmp_path)
    # Folders are in the order of their names, whatever follows them in the path.
    names = ["a/10.png", "a/2.JPG", "a/_.webp", "a/sub/x.tiff", "a 2/1.png", "b.bmp", "é.jpeg"]
    assert [os.path.relpath(path, tmp_path) for path in found] == names
    assert pictures_below(tmp_path / "none") == []
    # The folder itself may be hidden.
    assert [path.name for path in pictures_below(tmp_path / ".trash")] == ["x.png"]


def test_a_name_says_what_is_a_picture() -> None:
    assert is_picture("x.Png") and is_picture("x.gif", (".gif",))
    assert not any(map(is_picture, ("x.gif", "._x.png", ".png", "png", "x.png.txt")))
