#!/bin/bash
# Label Studio: "Brush labels to COCO" fills the holes of masks, makes them a pixel thinner, and each piece an object.
#
# Versions: label-studio-sdk 2.1.2, which Label Studio exports with, pycocotools 2.0.11, opencv-python-headless
#   4.12.0.88, Python 3.11.
# Expected: "Export your brush labels as COCO format for segmentation tasks" keeps the pixels that were brushed, as
#   "Brush labels to PNG" and "to NumPy" do, and one brushed object stays one. COCO has both: run lengths, and several
#   polygons for one object.
# Happens, without a word: the file has the outer contours that OpenCV finds, each as an object of its own.
#   - The opening of a handle is filled: its mask is twice as large.
#   - OpenCV's contours run through the middles of the outer pixels, COCO's polygons along the edges of pixels. So
#     each mask loses its right column and its lower row: a handle six pixels wide loses a sixth. Its bbox does not:
#     that is a pixel wider than the polygon in it.
#   - A handle behind a finger counts as two (HumanSignal/label-studio#7737, open).
# Seen:
#   ring: 1056 pixels, as PNG 1056, in COCO 1 object, 2301 pixels
#   six pixels wide: 360 pixels, as PNG 360, in COCO 1 object, 295 pixels
#   behind a finger: 300 pixels, as PNG 300, in COCO 2 objects, 240 pixels
# To do: export to PNG or NumPy, and encode these masks (pycocotools.mask.encode).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install label-studio-sdk==2.1.2 pycocotools==2.0.11 opencv-python-headless==4.12.0.88 \
  pillow==13.0.0 numpy==2.2.6
cat > "$folder/export.py" <<'PY'
import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from label_studio_sdk.converter import Converter, brush
from PIL import Image
from pycocotools.coco import COCO

CONFIG = """<View>
  <Image name="photo" value="$photo"/>
  <BrushLabels name="part" toName="photo"><Label value="handle"/></BrushLabels>
</View>"""
MASKS = {name: np.zeros((100, 100), np.uint8) for name in ("ring", "six pixels wide", "behind a finger")}
MASKS["ring"][20:80, 30:70] = 255
MASKS["ring"][26:74, 36:64] = 0
MASKS["six pixels wide"][20:80, 40:46] = 255
MASKS["behind a finger"][20:80, 40:46] = 255
MASKS["behind a finger"][45:55] = 0
for name, mask in MASKS.items():
    folder = Path(sys.argv[1]) / name.replace(" ", "_")
    (folder / "png").mkdir(parents=True)
    result = {
        "id": "handle",
        "from_name": "part",
        "to_name": "photo",
        "type": "brushlabels",
        "original_width": 100,
        "original_height": 100,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": brush.mask2rle(mask), "brushlabels": ["handle"]},
    }
    task = {
        "id": 1,
        "data": {"photo": "/data/upload/1/cup.png"},
        "annotations": [{"id": 1, "completed_by": 1, "result": [result]}],
    }
    (folder / "tasks.json").write_text(json.dumps([task]))
    converter = Converter(CONFIG, str(folder))
    converter.convert(str(folder / "tasks.json"), str(folder / "png"), "BRUSH_TO_PNG", is_dir=False)
    converter.convert(str(folder / "tasks.json"), str(folder / "coco"), "BRUSH_TO_COCO", is_dir=False)
    (exported,) = (folder / "png").iterdir()
    png = np.asarray(Image.open(exported)) > 0
    assert np.array_equal(png, mask > 0)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "coco" / "result_coco.json"))
    union = sum(coco.annToMask(each) for each in coco.anns.values()) > 0
    objects = f"{len(coco.anns)} object{'s' * (len(coco.anns) > 1)}"
    print(f"{name}: {(mask > 0).sum()} pixels, as PNG {png.sum()}, in COCO {objects}, {union.sum()} pixels")
PY
"$folder/venv/bin/python" "$folder/export.py" "$folder" | tee "$folder/seen"
grep -qxF "ring: 1056 pixels, as PNG 1056, in COCO 1 object, 2301 pixels" "$folder/seen"
grep -qxF "six pixels wide: 360 pixels, as PNG 360, in COCO 1 object, 295 pixels" "$folder/seen"
grep -qxF "behind a finger: 300 pixels, as PNG 300, in COCO 2 objects, 240 pixels" "$folder/seen"
