#!/bin/bash
# OpenCV 4.13 turned the angle of minAreaRect around: the same points have another angle, and width and height swapped.
#
# Versions: opencv-python-headless 4.12.0.88 and 4.13.0.92, numpy 2.2.6, Python 3.11.
# Expected: a minor release keeps the convention that 4.5.1 had set: an angle in (0, 90].
# Happens: the rectangle is the same, but 4.13 gives an angle in [-90, 0) with the sides the other way round. Code
#   that takes `angle` as the direction of the first side stays right; code that takes the angle alone, or expects
#   it positive, is wrong by 90 degrees.
# Seen (a rectangle of 4 by 2, turned by 0, 30 and 80 degrees):
#   4.12.0: (2, 4) 90, (4, 2) 30, (4, 2) 80
#   4.13.0: (2, 4) -90, (2, 4) -60, (2, 4) -10
# To do: never take the angle alone; cv2.boxPoints is the same in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/turn.py" <<'PY'
import cv2
import numpy as np

found = []
for degrees in (0, 30, 80):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    corners = np.array([[0, 0], [4, 0], [4, 2], [0, 2]]) @ np.array([[c, s], [-s, c]])
    _, (width, height), angle = cv2.minAreaRect(corners.astype(np.float32))
    found.append(f"({width:.0f}, {height:.0f}) {angle:.0f}")
print(cv2.__version__, ", ".join(found), sep=": ")
PY
for version in 4.12.0.88 4.13.0.92; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" -q install "opencv-python-headless==$version" numpy==2.2.6
    "$folder/$version/bin/python" "$folder/turn.py"
done | tee "$folder/seen"
grep -qxF "4.12.0: (2, 4) 90, (4, 2) 30, (4, 2) 80" "$folder/seen"
grep -qxF "4.13.0: (2, 4) -90, (2, 4) -60, (2, 4) -10" "$folder/seen"
