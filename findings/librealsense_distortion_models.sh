#!/bin/bash
# librealsense: what its distortion models do to a pixel is not what their names and descriptions say.
#
# Versions: pyrealsense2 2.59.1.11053 (with libusb-package 1.0.30.0 for its libusb), opencv-python-headless 4.13.0.92,
#   numpy 2.2.6, Python 3.11. No camera is needed.
# Expected: rs2_project_point_to_pixel undoes rs2_deproject_pixel_to_point for every model; and
#   inverse_brown_conrady, described as "undistorts image instead of distorting it", is another mapping than
#   brown_conrady for the same coefficients.
# Happens: with modified_brown_conrady, projecting distorts and deprojecting leaves the coefficients out, so that a
#   point comes back up to 5 pixels off. And brown_conrady and inverse_brown_conrady deproject alike: both as
#   OpenCV's undistortPoints, which is Brown-Conrady in the forward sense.
# Seen (640 x 480, focal length 400, coefficients -0.055 0.065 -0.0005 0.0006 -0.02, pixel (10, 10)):
#   brown_conrady: 0.00 pixels from OpenCV, comes back 0.00 pixels off
#   inverse_brown_conrady: 0.00 pixels from OpenCV, comes back 0.00 pixels off
#   modified_brown_conrady: 4.40 pixels from OpenCV, comes back 4.46 pixels off
# To do: deproject with OpenCV and the coefficients that camera_info gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pyrealsense2==2.59.1.11053 libusb-package==1.0.30.0 \
    opencv-python-headless==4.13.0.92 numpy==2.2.6
usb=$(find "$folder/venv" -name libusb-1.0.so)
cp "$usb" "$folder/libusb-1.0.so.0"
LD_LIBRARY_PATH=$folder "$folder/venv/bin/python" - <<'PY'
import cv2
import numpy as np
import pyrealsense2 as rs

lens = rs.intrinsics()
lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = 640, 480, 400.0, 400.0, 320.0, 240.0
lens.coeffs = [-0.055, 0.065, -0.0005, 0.0006, -0.02]
camera = np.array([[400.0, 0, 320], [0, 400.0, 240], [0, 0, 1]])
pixel = [10.0, 10.0]
many = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-12)
opencv = cv2.undistortPointsIter(np.array([[pixel]]), camera, np.array(lens.coeffs), None, None, many)[0, 0]
seen = {}
for name in ("brown_conrady", "inverse_brown_conrady", "modified_brown_conrady"):
    lens.model = getattr(rs.distortion, name)
    point = rs.rs2_deproject_pixel_to_point(lens, pixel, 1.0)
    off = 400 * np.linalg.norm(np.array(point[:2]) - opencv)
    back = np.linalg.norm(np.array(rs.rs2_project_point_to_pixel(lens, point)) - pixel)
    print(f"{name}: {off:.2f} pixels from OpenCV, comes back {back:.2f} pixels off")
    seen[name] = (off, back)
assert max(*seen["brown_conrady"], *seen["inverse_brown_conrady"]) < 0.1, "the behaviour has changed"
assert min(seen["modified_brown_conrady"]) > 3, "the behaviour has changed"
PY
