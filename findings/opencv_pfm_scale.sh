#!/bin/bash
# OpenCV divides the values of a PFM file by the scale in its header; Pillow and others give them as they are stored.
#
# Versions: opencv-python-headless 5.1.0.95, pillow 12.2.0, numpy 2.2.6, Python 3.11. The same in OpenCV 4.13.0.92, and
#   with Pillow 10.4.0, 11.3.0 and 13.0.0.
# Expected: the disparities or depths that the file holds. OpenCV's documentation of imread says: "Use the
#   IMREAD_UNCHANGED flag to preserve the floating-point values from PFM images".
# Happens: the third line of a PFM file is a number whose sign is the byte order, and whose absolute value is a "scale"
#   that most readers leave to the user: Pillow gives it in info["scale"], torchvision's reader of Middlebury's
#   disparities drops it. OpenCV divides by it, and tells nobody that it did. pfmLib, by a maker of
#   Middlebury's stereo benchmark (github.com/dscharstein/pfmLib), stores values as they are and writes 1/255 as the
#   scale unless told otherwise. OpenCV reads such disparities 255 times too large: what is 4 m away is then at 16 mm.
#   With the scale 1, which OpenCV itself writes, all agree, so a test with its own files passes.
# Seen, of a row that holds 1.5 and 40:
#   scale -1: OpenCV 1.5 40; Pillow 1.5 40
#   scale -0.003922: OpenCV 382.458 10198.9; Pillow 1.5 40
#   scale 0.003922: OpenCV 382.458 10198.9; Pillow 1.5 40
#   scale -16: OpenCV 0.09375 2.5; Pillow 1.5 40
# To do: multiply by the absolute value of the third line after cv2.imread, or read with Pillow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install opencv-python-headless==5.1.0.95 pillow==12.2.0 numpy==2.2.6
cat > "$folder/read.py" <<'PY'
import sys

import cv2
import numpy as np
from PIL import Image

file = sys.argv[1]
for scale in ("-1", "-0.003922", "0.003922", "-16"):
    row = np.array([1.5, 40], "<f4" if scale.startswith("-") else ">f4")
    with open(file, "wb") as stream:
        stream.write(f"Pf\n2 1\n{scale}\n".encode() + row.tobytes())
    opencv = cv2.imread(file, cv2.IMREAD_UNCHANGED).ravel()
    pillow = np.array(Image.open(file)).ravel()
    texts = (" ".join(f"{value:.6g}" for value in values) for values in (opencv, pillow))
    print(f"scale {scale}: OpenCV {next(texts)}; Pillow {next(texts)}")
PY
"$folder/venv/bin/python" "$folder/read.py" "$folder/disparity.pfm" | tee "$folder/seen"
grep -qxF "scale -1: OpenCV 1.5 40; Pillow 1.5 40" "$folder/seen"
grep -qxF "scale -0.003922: OpenCV 382.458 10198.9; Pillow 1.5 40" "$folder/seen"
grep -qxF "scale 0.003922: OpenCV 382.458 10198.9; Pillow 1.5 40" "$folder/seen"
grep -qxF "scale -16: OpenCV 0.09375 2.5; Pillow 1.5 40" "$folder/seen"
