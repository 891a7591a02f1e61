#!/bin/bash
# Orbbec SDK: the lens distortion of most of its cameras, BROWN_CONRADY_K6, is left out where a point becomes a pixel.
#
# Versions: pyorbbecsdk2 2.1.2 (Orbbec SDK 2.9.3), opencv-python-headless 4.11.0.86, numpy 1.26.4, Python 3.11. x86_64.
# Expected: transformation3dto2d(point, intrinsic, distortion, extrinsic) gives the pixel at which the camera sees the
#   point, or fails; and transformation2dto2d from a camera to itself gives the same pixel.
# Happens: the distortion is applied with the model BROWN_CONRADY alone. With BROWN_CONRADY_K6, which the SDK itself
#   gives to the colour cameras of the Gemini 2, Gemini 330, Astra 2 and Femto Mega, the pixel is that of a lens without
#   distortion. The other way, in transformation2dto2d, the distortion is taken off whatever the model is, so a pixel
#   that goes to its own camera comes out elsewhere. Neither fails. The align filter, in the sources, does know K6.
# Seen, for a point near the left edge of 640 x 480 pixels, with a focal length of 500 and numbers as of a wide lens:
#   OpenCV: 40.1 418.3
#   BROWN_CONRADY: 40.1 418.3, and 40.1 418.3 goes to 40.1 418.3
#   BROWN_CONRADY_K6: 45.0 415.0, and 40.1 418.3 goes to 45.0 415.0
# To do: set the model to BROWN_CONRADY before: the formula for it has k4, k5 and k6 too. Or project with OpenCV.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install opencv-python-headless==4.11.0.86 numpy==1.26.4
# The rest of what it requires, Open3D for one, is for its examples.
"$folder/venv/bin/pip" -q install --no-deps pyorbbecsdk2==2.1.2
cat > "$folder/project.py" <<'PY'
import cv2
import numpy as np
import pyorbbecsdk as ob

point = (-550.0, 350.0, 1000.0)  # in millimetres
numbers = {"k1": 0.5, "k2": -2.5, "p1": 0.001, "p2": -0.0005, "k3": 1.5, "k4": 0.4, "k5": -2.3, "k6": 1.4}
lens = ob.OBCameraIntrinsic()
lens.fx, lens.fy, lens.cx, lens.cy, lens.width, lens.height = 500.0, 500.0, 320.0, 240.0, 640, 480
still = ob.OBExtrinsic()
still.rot, still.transform = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)

matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
none = np.zeros(3)
right = cv2.projectPoints(np.array([point]), none, none, matrix, np.array(list(numbers.values())))[0].ravel()
print(f"OpenCV: {right[0]:.1f} {right[1]:.1f}")
for name in ("BROWN_CONRADY", "BROWN_CONRADY_K6"):
    distortion = ob.OBCameraDistortion()
    distortion.model = getattr(ob.OBCameraDistortionModel, name)
    for key, value in numbers.items():
        setattr(distortion, key, value)
    pixel = ob.transformation3dto2d(ob.OBPoint3f(*point), lens, distortion, still)
    same = ob.transformation2dto2d(ob.OBPoint2f(*right), point[2], lens, distortion, lens, distortion, still)
    goes = f"{right[0]:.1f} {right[1]:.1f} goes to {same.x:.1f} {same.y:.1f}"
    print(f"{name}: {pixel.x:.1f} {pixel.y:.1f}, and {goes}")
PY
cd "$folder"
"$folder/venv/bin/python" project.py | tee "$folder/seen"
grep -qxF "OpenCV: 40.1 418.3" "$folder/seen"
grep -qxF "BROWN_CONRADY: 40.1 418.3, and 40.1 418.3 goes to 40.1 418.3" "$folder/seen"
grep -qxF "BROWN_CONRADY_K6: 45.0 415.0, and 40.1 418.3 goes to 45.0 415.0" "$folder/seen"
