"""A picture with depth and calibration, and a model that finds its part."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from selcon_ros.core.pictures.picture_files import write_image
from support.bundles import COLOURS, colour_bundle

CAMERA = {"width": 640, "height": 480, "fx": 600, "fy": 600, "cx": 320, "cy": 240, "depth_scale": 0.0005}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A green bar, 128 x 32 pixels, 0.6 m from the camera, with its depth in half millimetres."""
    colour_bundle(tmp_path / "colours")
    image = np.full((480, 640, 3), 127, np.uint8)
    image[200:260, 200:360] = COLOURS["hold"]
    write_image(tmp_path / "bar.png", image)
    depth = np.full((480, 640), 1400, np.uint16)
    depth[200:260, 200:360] = 1200
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA))
    return tmp_path
