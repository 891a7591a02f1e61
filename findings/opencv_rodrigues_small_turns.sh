#!/bin/bash
# cv2.Rodrigues gives a zero vector for a matrix that turns by less than 1e-5 rad; a vector that small gives its matrix.
#
# Versions: opencv-python-headless 4.13.0.92 and 5.0.0.93, numpy 2.2.6, Python 3.11.
# Expected: in double precision a vector comes back from its matrix, to about 1e-16, however short it is.
# Happens: from vector to matrix nothing is lost. From matrix to vector a turn with a sine below 1e-5 is taken for none.
#   Steps of that size are common: a camera that is nearly still, a joint between two encoder counts, poses
#   interpolated in time. A hundred of them, added up, are a thousandth of a radian that is not there.
# Seen (there and back, both versions): 1.1e-05 -> 1.1e-05, 9e-06 -> 0, 1e-09 -> 0; the matrix has all of them.
# To do: take small turns from the skew part of the matrix, (R - R^T) / 2, which is exact there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/back.py" <<'PY'
import cv2
import numpy as np

for turn in (1.1e-5, 9e-6, 1e-9):
    matrix, _ = cv2.Rodrigues(np.array([0.0, 0.0, turn]))
    back, _ = cv2.Rodrigues(matrix)
    print(f"{turn:g} -> {back[2, 0]:.6g}, in the matrix {matrix[1, 0]:g}")
PY
for version in 4.13.0.92 5.0.0.93; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" -q install "opencv-python-headless==$version" numpy==2.2.6
    "$folder/$version/bin/python" "$folder/back.py" | tee "$folder/seen"
    grep -qxF "1.1e-05 -> 1.1e-05, in the matrix 1.1e-05" "$folder/seen"
    grep -qxF "9e-06 -> 0, in the matrix 9e-06" "$folder/seen"
    grep -qxF "1e-09 -> 0, in the matrix 1e-09" "$folder/seen"
done
