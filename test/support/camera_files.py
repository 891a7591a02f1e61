"""Calibrations of one camera in the forms that other programs write."""

from typing import Any

import cv2
import numpy as np

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.distortion import Distortion

CAMERA = {"width": 640, "height": 480, "fx": 600.0, "fy": 600, "cx": 320.0, "cy": 240, "depth_scale": 0.0005}
D = (-0.28, 0.09, 0.001, -0.0005, -0.01)
EXPECTED = Intrinsics(600.5, 601.0, 321.0, 239.0, 640, 480, Distortion("plumb_bob", D))
K = [600.5, 0.0, 321.0, 0.0, 601.0, 239.0, 0.0, 0.0, 1.0]
CALIBRATION = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [600.50000,   0.     , 321.     ,
           0.     , 601.     , 239.     ,
           0.     ,   0.     ,   1.     ]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.28, 0.09, 1e-3, -5e-04, -0.010000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [580, 0, 322, 0, 0, 581, 238, 0, 0, 0, 1, 0]
"""
MESSAGE = """\
header:
  stamp:
    sec: 1683043705
    nanosec: 486059354
  frame_id: camera_color_optical_frame
height: 480
width: 640
distortion_model: plumb_bob
d:
- -0.28
- 0.09
- 0.001
- -0.0005
- -0.01
k:
- 600.5
- 0.0
- 321.0
- 0.0
- 601.0
- 239.0
- 0.0
- 0.0
- 1.0
r:
- 1.0
- 0.0
- 0.0
- 0.0
- 1.0
- 0.0
- 0.0
- 0.0
- 1.0
p:
- 580.0
- 0.0
- 322.0
- 0.0
- 0.0
- 581.0
- 238.0
- 0.0
- 0.0
- 0.0
- 1.0
- 0.0
binning_x: 0
binning_y: 0
roi:
  x_offset: 0
  y_offset: 0
  height: 0
  width: 0
  do_rectify: false
---
"""
OST = """\
# oST version 5.0 parameters


[image]

width
640

height
480

[narrow_stereo]

camera matrix
600.500000 0.000000 321.000000
0.000000 601.000000 239.000000
0.000000 0.000000 1.000000

distortion
-0.280000 0.090000 0.001000 -0.000500 -0.010000

rectification
1.000000 0.000000 0.000000
0.000000 1.000000 0.000000
0.000000 0.000000 1.000000

projection
580.000000 0.000000 322.000000 0.000000
0.000000 581.000000 238.000000 0.000000
0.000000 0.000000 1.000000 0.000000
"""


def opencv(ending: str, **changes: Any) -> str:
    """Return what OpenCV's calibration writes to a file with that ending."""
    storage = cv2.FileStorage(ending, cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    values = {
        "image_width": 640,
        "image_height": 480,
        "camera_matrix": np.array(K).reshape(3, 3),
        "distortion_coefficients": np.array(D)[:, None],
    }
    for name, value in {**values, **changes}.items():
        storage.write(name, value)
    return storage.releaseAndGetString()


REALSENSE = {
    "width": 640,
    "height": 480,
    "ppx": 321.0,
    "ppy": 239.0,
    "fx": 600.5,
    "fy": 601.0,
    "model": "distortion.inverse_brown_conrady",
    "coeffs": list(D),
}
