#!/bin/bash
# sahi: slicing a COCO file turns crowds into objects, and masks that it says it skips into filled boxes.
#
# Versions: sahi 0.12.8, shapely 2.1.2, pycocotools 2.0.11, opencv-python-headless 4.13.0.92, numpy 2.2.6, Python 3.11.
# Expected: slice_coco ("Slice a COCO formatted dataset") cuts what is in the file. A slice as large as the picture has
#   the masks of the picture, and a crowd stays one: iscrowd=1 marks what COCO's evaluation leaves out, and training
#   should. Of run lengths sahi warns: "Segmentation annotation for id 2 is skipped since RLE segmentation format is not
#   supported". So these should be missing, or be boxes without a mask.
# Happens: nothing is skipped. The reader takes the box of such a mask, and the slicer writes its four corners as a
#   polygon: a ring of 1100 pixels becomes a square of 3600. The reader and the writer, which merging and splitting
#   use, too, leave out iscrowd, though CocoAnnotation has it: all is written with 0, and of polygons nothing is said.
#   In COCO's own files all crowds are run lengths: each becomes a rectangle that is said to be one object, in every
#   slice that has a tenth of it or more.
# Seen (pixels of the mask, iscrowd):
#   polygon, object: 1600, 0; sliced: 1600, 0
#   polygon, crowd: 1600, 1; sliced: 1600, 0
#   run lengths, object: 1100, 0; sliced: 3600, 0; told that it is skipped
#   run lengths, crowd: 1100, 1; sliced: 3600, 0; told that it is skipped
# To do: cut the pictures and the decoded masks yourself. Or before slicing, leave out pictures with crowds, and write
#   masks as polygons (holes are lost).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install shapely==2.1.2 pycocotools==2.0.11 opencv-python-headless==4.13.0.92 numpy==2.2.6 \
  pillow==12.2.0 pyyaml==6.0.3 requests==2.32.5 tqdm==4.67.1
# It asks for opencv-python, which wants libGL, and for what it draws with.
"$folder/venv/bin/pip" -q install --no-deps sahi==0.12.8
cat > "$folder/slice.py" <<'PY'
import contextlib
import io
import json
import logging
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO
from sahi.slicing import slice_coco

folder = Path(sys.argv[1])
Image.new("RGB", (100, 100)).save(folder / "cups.png")
ring = np.zeros((100, 100), np.uint8, order="F")
ring[20:80, 20:80] = 1
ring[25:75, 25:75] = 0
encoded = masks.encode(ring)
encoded["counts"] = encoded["counts"].decode()
SHAPES = {
    "polygon": {"segmentation": [[10, 10, 50, 10, 50, 50, 10, 50]], "bbox": [10, 10, 40, 40], "area": 1600},
    "run lengths": {"segmentation": encoded, "bbox": [20, 20, 60, 60], "area": 1100},
}
told = io.StringIO()
logging.getLogger("sahi").addHandler(logging.StreamHandler(told))


def only(file):
    """The pixels of a file's only mask, and iscrowd."""
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO(str(file))
    (annotation,) = data.anns.values()
    return f"{int(data.annToMask(annotation).sum())}, {annotation['iscrowd']}"


for name, shape in SHAPES.items():
    for crowd in (0, 1):
        file = folder / "cups.json"
        content = {
            "images": [{"id": 1, "file_name": "cups.png", "width": 100, "height": 100}],
            "categories": [{"id": 1, "name": "cup", "supercategory": "cup"}],
            "annotations": [{"id": 2, "image_id": 1, "category_id": 1, "iscrowd": crowd, **shape}],
        }
        file.write_text(json.dumps(content))
        told.truncate(0)
        _, sliced = slice_coco(
            str(file), str(folder), "cups", str(folder / "sliced"), slice_height=100, slice_width=100
        )
        text = f"{name}, {'crowd' if crowd else 'object'}: {only(file)}; sliced: {only(sliced)}"
        print(text + ("; told that it is skipped" if "id 2 is skipped" in told.getvalue() else ""))
PY
TQDM_DISABLE=1 "$folder/venv/bin/python" "$folder/slice.py" "$folder" | tee "$folder/seen"
grep -qxF "polygon, object: 1600, 0; sliced: 1600, 0" "$folder/seen"
grep -qxF "polygon, crowd: 1600, 1; sliced: 1600, 0" "$folder/seen"
grep -qxF "run lengths, object: 1100, 0; sliced: 3600, 0; told that it is skipped" "$folder/seen"
grep -qxF "run lengths, crowd: 1100, 1; sliced: 3600, 0; told that it is skipped" "$folder/seen"
