from pathlib import Path

import pytest

from selcon_ros.cli.engine_options import MAX_PICTURES, pictures_in
from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.picture_files import write_image
from support.engines import picture


def test_engines_are_compared_on_every_kind_of_picture_but_hidden_ones(tmp_path: Path) -> None:
    assert pictures_in(None) is None
    for name in ("a.png", "b/c.webp", "b/d.bmp", "e.tiff"):
        write_image(tmp_path / name, picture())
    (tmp_path / "._a.png").write_bytes(b"of another system")
    images = pictures_in(tmp_path)
    assert images is not None and [image.shape for image in images] == [picture().shape] * 4
    with pytest.raises(ImageError, match="none holds no pictures"):
        pictures_in(tmp_path / "none")


def test_pictures_are_spread_over_the_folder(tmp_path: Path) -> None:
    for number in range(100):
        write_image(tmp_path / f"{number:03}.png", picture()[: 1 + number])
    heights = [len(image) for image in pictures_in(tmp_path) or ()]
    assert len(heights) == MAX_PICTURES and heights[0] == 1 and heights[-1] == 100
