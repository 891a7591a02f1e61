#!/bin/bash
# OpenCV turns a TIFF as its orientation says whatever the flags are; a JPEG is left as stored when that is asked for.
#
# Versions: OpenCV 4.8.1, 4.13.0 and 5.0.0, Pillow 12.0.0, Python 3.11.
# Expected: IMREAD_UNCHANGED and IMREAD_IGNORE_ORIENTATION give the pixels as they are stored, in every format.
# Happens: so it is for JPEG. A TIFF whose orientation is 6 comes back turned, a float one with depths in it too, so it
#   no longer fits the camera's calibration or a picture beside it that was read with the same flags.
# Seen, with each of the versions:
#   stored 2 x 3: JPEG (2, 3) (2, 3), TIFF uint8 (3, 2) (3, 2), TIFF float32 (3, 2) (3, 2)
# To do: read the TIFF's orientation tag (274) beforehand, and turn the pixels back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
cat > "$folder/turned.py" <<'PY'
import io

import cv2
import numpy as np
from PIL import Image


def shapes(kind, pixels):
    tag = Image.Exif()
    tag[274] = 6
    stream = io.BytesIO()
    options = {"exif": tag} if kind == "JPEG" else {"tiffinfo": {274: 6}}
    Image.fromarray(pixels).save(stream, kind, **options)
    content = np.frombuffer(stream.getvalue(), np.uint8)
    flags = (cv2.IMREAD_UNCHANGED, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
    return " ".join(str(cv2.imdecode(content, each).shape[:2]) for each in flags)


grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
print(
    f"stored 2 x 3: JPEG {shapes('JPEG', grey)}, TIFF uint8 {shapes('TIFF', grey)}, "
    f"TIFF float32 {shapes('TIFF', grey.astype(np.float32))}"
)
PY
wanted="stored 2 x 3: JPEG (2, 3) (2, 3), TIFF uint8 (3, 2) (3, 2), TIFF float32 (3, 2) (3, 2)"
for opencv in "4.8.1.78 numpy<2" 4.13.0.92 "5.0.0.93 numpy>=2"; do
    # shellcheck disable=SC2086
    "$folder/venv/bin/pip" -q install pillow==12.0.0 opencv-python-headless==$opencv
    found=$("$folder/venv/bin/python" "$folder/turned.py")
    echo "OpenCV ${opencv%% *}: $found"
    [ "$found" = "$wanted" ]
done
