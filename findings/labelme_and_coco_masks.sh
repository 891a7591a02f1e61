#!/bin/bash
# The same polygon has another mask in labelme than in COCO's tools: labelme's is a pixel larger each way.
#
# Versions: labelme 6.3.1, pycocotools 2.0.11, Python 3.11.
# Expected: an annotation drawn in labelme and exported to COCO keeps its mask, as both take the corner of the upper
#   left pixel as (0, 0).
# Happens: labelme.utils.shape_to_mask draws the outline too (Pillow's polygon), pycocotools counts pixels whose
#   middle lies inside. A rectangle from (2, 2) to (6, 5) has 20 pixels in one and 12 in the other: of a handle
#   four pixels wide, a quarter more.
# Seen:
#   labelme: 20 pixels, columns 2 to 6, rows 2 to 5
#   pycocotools: 12 pixels, columns 2 to 5, rows 2 to 4
# To do: make truth maps with one of them throughout, and say which.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install labelme==6.3.1 pycocotools==2.0.11
QT_QPA_PLATFORM=offscreen "$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import numpy as np
from labelme.utils import shape_to_mask
from pycocotools import mask as coco

polygon = [[2, 2], [6, 2], [6, 5], [2, 5]]
flat = np.array(polygon, float).ravel().tolist()
masks = {
    "labelme": shape_to_mask((10, 12), polygon, shape_type="polygon"),
    "pycocotools": coco.decode(coco.frPyObjects([flat], 10, 12))[..., 0],
}
for name, mask in masks.items():
    rows, columns = np.nonzero(mask)
    print(f"{name}: {len(rows)} pixels, columns {columns.min()} to {columns.max()}, rows {rows.min()} to {rows.max()}")
PY
grep -qxF "labelme: 20 pixels, columns 2 to 6, rows 2 to 5" "$folder/seen"
grep -qxF "pycocotools: 12 pixels, columns 2 to 5, rows 2 to 4" "$folder/seen"
