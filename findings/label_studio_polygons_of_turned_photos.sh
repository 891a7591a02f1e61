#!/bin/bash
# Label Studio: the COCO export stretches polygons on photos that EXIF turns; rectangles in the same file are right.
#
# Versions: label-studio-sdk 2.1.2, which Label Studio exports with, pycocotools 2.0.11, Pillow 13.0.0, Python 3.11.
# Expected: Label Studio keeps shapes as shares of the photo as a browser shows it, which is upright, and that size
#   (original_width, original_height) beside each. So what is drawn on the upright photo lies there in COCO's pixels.
# Happens, without a word: if the converter finds the photo, it takes its size from Pillow, as stored, for the file's
#   width and height and for polygons. Rectangles are scaled with original_width and original_height. So the polygon of
#   a phone's portrait photo is too wide and too flat, and lies on the object neither as the photo is shown nor as it
#   is stored. The rectangle around the same cup is right, but lies partly outside of the picture that the file tells
#   of. If the photo is not found, all is right: the file depends on what else lies on the disk.
#   HumanSignal/label-studio#6608 (open) is about the file's width and height.
# Seen (share of the union of label and painted cup that is in both, by how the photo is opened):
#   upright, file says 300 x 400: polygon 1.00 as shown, 1.00 as stored
#   upright, file says 300 x 400: rectangle 1.00 as shown, 1.00 as stored
#   turned, file says 400 x 300: polygon 0.26 as shown, 0.11 as stored
#   turned, file says 400 x 300: rectangle 1.00 as shown, 0.00 as stored
#   turned, not found, file says 300 x 400: polygon 1.00 as shown, 0.00 as stored
#   turned, not found, file says 300 x 400: rectangle 1.00 as shown, 0.00 as stored
# To do: store photos upright (ImageOps.exif_transpose) before they are labelled. Labels that are there: compute the
#   corners from the JSON export with original_width and original_height.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install label-studio-sdk==2.1.2 pycocotools==2.0.11 pillow==13.0.0 numpy==2.2.6
cat > "$folder/export.py" <<'PY'
import json
import sys
from pathlib import Path

import numpy as np
from label_studio_sdk.converter import Converter
from PIL import Image, ImageOps
from pycocotools import mask as masks

CONFIG = """<View>
  <Image name="photo" value="$photo"/>
  <PolygonLabels name="outline" toName="photo"><Label value="cup"/></PolygonLabels>
  <RectangleLabels name="box" toName="photo"><Label value="cup"/></RectangleLabels>
</View>"""
ORIENTATION = 0x0112
SHAPES = {  # in hundredths of the photo
    "outline": ("polygonlabels", {"points": [[10, 50], [60, 50], [60, 90], [10, 90]], "closed": True}),
    "box": ("rectanglelabels", {"x": 10, "y": 50, "width": 50, "height": 40, "rotation": 0}),
}
folder = Path(sys.argv[1])
painted = np.zeros((400, 300), np.uint8)
painted[200:360, 30:180] = 255
for name, turned, found in (
    ("upright", False, True),
    ("turned", True, True),
    ("turned, not found", True, False),
):
    photo = folder / "photo.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = 6 if turned else 1  # to be turned clockwise
    stored = Image.fromarray(np.rot90(painted) if turned else painted)
    stored.save(photo, exif=exif)
    cups = {"shown": ImageOps.exif_transpose(Image.open(photo)), "stored": Image.open(photo)}
    assert np.array_equal(np.asarray(cups["shown"]) > 127, painted > 127)
    width, height = cups["shown"].size
    result = [
        {
            "id": control,
            "from_name": control,
            "to_name": "photo",
            "type": kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {**value, kind: ["cup"]},
        }
        for control, (kind, value) in SHAPES.items()
    ]
    task = {
        "id": 1,
        "data": {"photo": str(photo) if found else "/data/upload/1/photo.jpg"},
        "annotations": [{"id": 1, "completed_by": 1, "result": result}],
    }
    (folder / "tasks.json").write_text(json.dumps([task]))
    Converter(CONFIG, str(folder)).convert(
        str(folder / "tasks.json"), str(folder / "coco"), "COCO", is_dir=False
    )
    coco = json.loads((folder / "coco" / "result.json").read_text())
    (image,) = coco["images"]
    size = f"{image['width']} x {image['height']}"
    for shape, annotation in zip(("polygon", "rectangle"), coco["annotations"]):
        x, y, w, h = annotation["bbox"]
        polygons = annotation["segmentation"] or [[x, y, x + w, y, x + w, y + h, x, y + h]]
        shares = []
        for how, picture in cups.items():
            cup = np.asarray(picture) > 127
            mask = masks.decode(masks.frPyObjects(polygons, *cup.shape))[..., 0] > 0
            shares.append(f"{(mask & cup).sum() / (mask | cup).sum():.2f} as {how}")
        print(f"{name}, file says {size}: {shape} {', '.join(shares)}")
PY
"$folder/venv/bin/python" "$folder/export.py" "$folder" | tee "$folder/seen"
grep -qxF "upright, file says 300 x 400: polygon 1.00 as shown, 1.00 as stored" "$folder/seen"
grep -qxF "upright, file says 300 x 400: rectangle 1.00 as shown, 1.00 as stored" "$folder/seen"
grep -qxF "turned, file says 400 x 300: polygon 0.26 as shown, 0.11 as stored" "$folder/seen"
grep -qxF "turned, file says 400 x 300: rectangle 1.00 as shown, 0.00 as stored" "$folder/seen"
grep -qxF "turned, not found, file says 300 x 400: polygon 1.00 as shown, 0.00 as stored" "$folder/seen"
grep -qxF "turned, not found, file says 300 x 400: rectangle 1.00 as shown, 0.00 as stored" "$folder/seen"
