#!/bin/bash
# rosbags-image: depth images with padded rows come out skewed, and depth images compressed as PNG in eight bits.
#
# Versions: rosbags-image 0.10.4, rosbags 0.11.9, opencv-python-headless 4.13.0.92, numpy 2.2.6, Python 3.11.
# Expected: message_to_cvimage returns the pixels that the message holds, or raises an error.
# Happens, without a word:
#   - `step`, the length of a row in bytes, is not looked at. Where a driver pads its rows, each row begins later in the
#     picture than the one above.
#   - A CompressedImage is decoded by OpenCV with IMREAD_ANYCOLOR alone, without IMREAD_ANYDEPTH: of 16 bits the upper
#     eight remain. A metre, 1000, is 3, and all depths of a quarter of a metre are the same.
# Seen, both of a depth image with the rows 1000 1001 and 2000 2001:
#   16UC1, step 4: uint16 [[1000, 1001], [2000, 2001]]
#   16UC1, step 6: uint16 [[1000, 1001], [0, 2000]]
#   16UC1; png compressed: uint8 [[3, 3], [7, 7]]
# To do: take the rows by `step` with numpy, and decode with cv2.imdecode and IMREAD_UNCHANGED.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install rosbags-image==0.10.4 rosbags==0.11.9 opencv-python-headless==4.13.0.92 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import cv2
import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
depth = np.array([[1000, 1001], [2000, 2001]], "<u2")


def tell(name, message):
    image = message_to_cvimage(message)
    print(f"{name}: {image.dtype} {image.tolist()}")


for padding in (0, 1):
    rows = np.pad(depth, ((0, 0), (0, padding)))
    step = rows.shape[1] * 2
    message = types["sensor_msgs/msg/Image"](
        header=header,
        height=2,
        width=2,
        encoding="16UC1",
        is_bigendian=0,
        step=step,
        data=np.frombuffer(rows.tobytes(), np.uint8),
    )
    tell(f"16UC1, step {step}", message)
png = cv2.imencode(".png", depth)[1].ravel()
form = "16UC1; png compressed"
tell(form, types["sensor_msgs/msg/CompressedImage"](header=header, format=form, data=png))
PY
grep -qxF "16UC1, step 4: uint16 [[1000, 1001], [2000, 2001]]" "$folder/seen"
grep -qxF "16UC1, step 6: uint16 [[1000, 1001], [0, 2000]]" "$folder/seen"
grep -qxF "16UC1; png compressed: uint8 [[3, 3], [7, 7]]" "$folder/seen"
