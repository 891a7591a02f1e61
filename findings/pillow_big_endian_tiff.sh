#!/bin/bash
# Pillow: a compressed big-endian TIFF of floats, or of signed integers, is read with the bytes of each value reversed.
#
# Versions: pillow 12.2.0, tifffile 2025.5.10, imagecodecs 2025.3.30, opencv-python-headless 5.1.0.95, numpy 2.2.6,
#   Python 3.11 on a little-endian processor. The same in Pillow 10.4.0, 11.3.0 and 13.0.0.
# Expected: the byte order of a TIFF changes nothing but the file, and compression without loss changes no value: so it
#   is in Pillow without compression, in OpenCV and in tifffile.
# Happens: libtiff, which Pillow reads compressed files with, gives values in the processor's byte order. Pillow knows
#   (a comment in TiffImagePlugin says so) and allows for it where the values are unsigned and of 16 bits, but not for
#   signed ones, nor for 32 bits: those it turns around once more. No error: a depth of 0.75 m is 2e-41, and nearly all
#   of a float image becomes zeros and huge numbers. Big-endian files are what tifffile writes of an array in that byte
#   order, as astronomers' files give them, and of any array with byteorder=">".
# Seen (uncompressed; with Deflate), of a pixel that holds 1000, or of floats 0.75:
#   uint16: Pillow 1000; 1000, OpenCV 1000; 1000, tifffile 1000; 1000
#   int16: Pillow 1000; -6141, OpenCV 1000; 1000, tifffile 1000; 1000
#   int32: Pillow 1000; -402456576, OpenCV 1000; 1000, tifffile 1000; 1000
#   float32: Pillow 0.75; 2.30472e-41, OpenCV 0.75; 0.75, tifffile 0.75; 0.75
# To do: read such files with OpenCV (IMREAD_UNCHANGED) or tifffile. In Pillow, the raw modes F;32BF, I;32BS and I;16BS
#   want to become F;32NF, I;32NS and I;16NS, which exist, where I;16B becomes I;16N.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install pillow==12.2.0 tifffile==2025.5.10 imagecodecs==2025.3.30 \
  opencv-python-headless==5.1.0.95 numpy==2.2.6
cat > "$folder/read.py" <<'PY'
import sys

import cv2
import numpy as np
import tifffile
from PIL import Image

file = sys.argv[1]
readers = {
    "Pillow": lambda: np.array(Image.open(file)),
    "OpenCV": lambda: cv2.imread(file, cv2.IMREAD_UNCHANGED),
    "tifffile": lambda: tifffile.imread(file),
}
for kind in ("uint16", "int16", "int32", "float32"):
    value = 0.75 if kind == "float32" else 1000
    seen = {name: [] for name in readers}
    for compression in (None, "deflate"):
        depth = np.full((4, 4), value, np.dtype(kind).newbyteorder(">"))
        tifffile.imwrite(file, depth, compression=compression)
        for name, read in readers.items():
            number = read()[0, 0].item()
            seen[name].append(f"{number:.6g}" if kind == "float32" else str(number))
    print(f"{kind}: " + ", ".join(f"{name} {'; '.join(numbers)}" for name, numbers in seen.items()))
PY
"$folder/venv/bin/python" "$folder/read.py" "$folder/depth.tiff" | tee "$folder/seen"
grep -qxF "uint16: Pillow 1000; 1000, OpenCV 1000; 1000, tifffile 1000; 1000" "$folder/seen"
grep -qxF "int16: Pillow 1000; -6141, OpenCV 1000; 1000, tifffile 1000; 1000" "$folder/seen"
grep -qxF "int32: Pillow 1000; -402456576, OpenCV 1000; 1000, tifffile 1000; 1000" "$folder/seen"
grep -qxF "float32: Pillow 0.75; 2.30472e-41, OpenCV 0.75; 0.75, tifffile 0.75; 0.75" "$folder/seen"
