import numpy as np
import pytest

from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.orientation import as_stored, check_stored, upright

SIZES = {"depth": (640, 480), "camera": (640, 480)}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_upright_and_back(orientation: int) -> None:
    picture = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(as_stored(upright(picture, orientation), orientation), picture)


@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_what_has_the_stored_size_fits(orientation: int) -> None:
    check_stored(orientation, (640, 480), SIZES)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("name", ["depth", "camera"])
def test_what_has_the_turned_size_is_refused(orientation: int, name: str) -> None:
    with pytest.raises(ImageError, match=f"{name} is 480 x 640, as the picture is when turned"):
        check_stored(orientation, (640, 480), {**SIZES, name: (480, 640)})


@pytest.mark.parametrize(("orientation", "size"), [(2, (9, 7)), (3, (9, 7)), (4, (9, 7)), (6, (9, 9))])
def test_what_cannot_be_told_is_refused(orientation: int, size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="whether depth and camera are turned like it cannot be told"):
        check_stored(orientation, size, {"depth": size, "camera": size})
