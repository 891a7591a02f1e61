#!/bin/bash
# Pillow and OpenCV: a mask of label numbers that Pillow writes without a palette is all black in OpenCV.
#
# Versions: Pillow 12.0.0 and 13.0.0, OpenCV 4.13.0 and 5.0.0, Python 3.11.
# Expected: the PNG of a picture of mode "P" that was never given a palette keeps its numbers in other programs, too:
#   as grey values, or with a palette that has a colour for each of them.
# Happens: Pillow writes a palette of one entry, black, beside pixels with the numbers 0 and 1. Pillow itself reads the
#   numbers back. OpenCV, which returns colours, paints numbers beyond the palette's end black: every mask is empty.
# Seen, with each pair of versions:
#   palette entries: 1; Pillow reads [0 1]; OpenCV reads [0]
# To do: write masks in mode "L". Who reads PNGs with a palette as masks has to look at the numbers, not at the colours.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
cat > "$folder/mask.py" <<'PY'
import io

import cv2
import numpy as np
from PIL import Image

labels = np.zeros((4, 6), np.uint8)
labels[1:3, 2:5] = 1
stream = io.BytesIO()
Image.frombytes("P", (6, 4), labels.tobytes()).save(stream, "PNG")
content = stream.getvalue()
at = content.find(b"PLTE")
entries = int.from_bytes(content[at - 4 : at], "big") // 3
pillow = np.unique(np.asarray(Image.open(io.BytesIO(content))))
opencv = np.unique(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))
print(f"palette entries: {entries}; Pillow reads {pillow}; OpenCV reads {opencv}")
PY
for versions in "pillow==12.0.0 opencv-python-headless==4.13.0.92" "pillow==13.0.0 opencv-python-headless==5.0.0.93"; do
    # shellcheck disable=SC2086
    "$folder/venv/bin/pip" -q install $versions
    found=$("$folder/venv/bin/python" "$folder/mask.py")
    echo "$versions: $found"
    [ "$found" = "palette entries: 1; Pillow reads [0 1]; OpenCV reads [0]" ]
done
