import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.picture_files import read_image, write_image

CUT_SHORT = cv2.imencode(".png", np.ones((9, 9, 3)))[1].tobytes()[:40]


def test_pictures_are_rgb(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0], image[..., 2] = 250, 10
    write_image(tmp_path / "new" / "red.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "red.png"), image)
    assert (cv2.imread(str(tmp_path / "new" / "red.png"))[0, 0] == (10, 0, 250)).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path, channels: int) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), np.full((4, 6, channels), 99, np.uint8))
    assert (read_image(tmp_path / "x.png") == 99).all() and read_image(tmp_path / "x.png").shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.png is empty"),
        (b"no image", "x.png is not an image"),
        (CUT_SHORT, "x.png is cut short"),
        (b"\xff\xd8 no jpeg", "x.png is not an image"),
    ],
)
def test_damaged_pictures(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / "x.png")


def test_missing_picture_and_unwritable_name(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot read .*No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="ends in .png or .jpg"):
        write_image(tmp_path / "x.doc", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match="cannot write"):
        write_image(tmp_path / "file" / "x.png", np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(("make", "what"), [(Path.mkdir, "a directory"), (os.mkfifo, "a pipe")])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, make: Callable, what: str) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(ImageError, match=f"x.png: it is {what}, not a plain file"):
        read_image(tmp_path / "x.png")


def test_devices_and_circles_of_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to("y.png")
    (tmp_path / "y.png").symlink_to("x.png")
    with pytest.raises(ImageError, match="x.png: Too many levels of symbolic links"):
        read_image(tmp_path / "x.png")
    with pytest.raises(ImageError, match="/dev/zero: it is a device"):
        read_image("/dev/zero")
    with pytest.raises(ImageError, match="null (byte|character)"):
        read_image("x\0.png")
