#!/bin/bash
# OpenCV turns a WebP as its EXIF orientation says from 4.13 on; before, it turned JPEG, but not WebP.
#
# Versions: opencv-python-headless 4.12.0.88 and 4.13.0.92, Pillow 12.0.0, Python 3.11.
# Expected: IMREAD_COLOR turns every format whose EXIF it can read, or a minor release leaves a format as it was.
# Happens: the same file, read by the same call, has its sides swapped after an update. Truth maps, masks and
#   depth images that were made beside the picture with the other version do not fit it any more.
# Seen (a WebP of 40 by 20 with orientation 6; height and width as read):
#   4.12.0: WEBP 20 x 40, JPEG 40 x 20
#   4.13.0: WEBP 40 x 20, JPEG 40 x 20
# To do: read WebP with IMREAD_IGNORE_ORIENTATION and turn it oneself, or require 4.13.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/read.py" <<'PY'
import io

import cv2
import numpy as np
from PIL import Image

exif = Image.Exif()
exif[0x0112] = 6
found = []
for kind in ("WEBP", "JPEG"):
    file = io.BytesIO()
    Image.new("RGB", (40, 20), (200, 30, 30)).save(file, kind, exif=exif.tobytes())
    height, width = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR).shape[:2]
    found.append(f"{kind} {height} x {width}")
print(cv2.__version__, ", ".join(found), sep=": ")
PY
for version in 4.12.0.88 4.13.0.92; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" -q install "opencv-python-headless==$version" numpy==2.2.6 pillow==12.0.0
    "$folder/$version/bin/python" "$folder/read.py"
done | tee "$folder/seen"
grep -qxF "4.12.0: WEBP 20 x 40, JPEG 40 x 20" "$folder/seen"
grep -qxF "4.13.0: WEBP 40 x 20, JPEG 40 x 20" "$folder/seen"
