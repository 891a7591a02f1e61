from pathlib import Path

import cv2
import numpy as np
import pytest

from selcon_ros.core.depth_files import read_depth
from selcon_ros.core.errors import DepthError


def test_depth_is_in_metres(tmp_path: Path) -> None:
    raw = np.array([[0, 1000], [2500, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "d.png"), raw)
    depth = read_depth(tmp_path / "d.png", 0.0005)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, raw * 0.0005)


@pytest.mark.parametrize("raw", [np.ones((4, 4), np.uint8), np.ones((4, 4, 3), np.uint16)])
def test_depth_of_another_type_is_refused(tmp_path: Path, raw: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "d.png"), raw)
    with pytest.raises(DepthError, match="must be a 16 bit grey image"):
        read_depth(tmp_path / "d.png", 0.001)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "x.png is empty"), (b"no image", "x.png is not an image")]
)
def test_damaged_depth(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DepthError, match=message):
        read_depth(tmp_path / "x.png", 0.001)
