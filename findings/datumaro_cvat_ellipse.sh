#!/bin/bash
# datumaro: an ellipse in a CVAT file is left out, and its attributes are given to the shape before it.
#
# Versions: datumaro 1.13.12, opencv-python-headless 4.13.0.92, numpy 2.2.6, Python 3.11.
# Expected: a shape that the reader for CVAT does not know is reported, or left out with all that belongs to it.
# Happens, without a word: the reader gives each <attribute> to the last shape that it knew. It knows boxes, polygons,
#   polylines, points and masks, as its documentation says; ellipses and cuboids, which CVAT has too, it leaves
#   out. But their attributes are read, and overwrite those of the box before, even if that is in another picture.
# Seen:
#   without ellipse: cup.png: bbox {'graspable': True, 'material': 'steel'}
#   without ellipse: plate.png: nothing
#   with ellipse: cup.png: bbox {'graspable': False, 'material': 'glass'}
#   with ellipse: plate.png: nothing
# To do: take the shapes that datumaro does not know, with their attributes, out of the file before it is read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install datumaro==1.13.12 opencv-python-headless==4.13.0.92 numpy==2.2.6
cat > "$folder/read.py" <<'PY'
import sys
from pathlib import Path

import cv2
import datumaro
import numpy as np

ELLIPSE = """
    <ellipse label="thing" occluded="0" cx="30.00" cy="30.00" rx="20.00" ry="10.00" z_order="0">
      <attribute name="graspable">false</attribute>
      <attribute name="material">glass</attribute>
    </ellipse>"""
FILE = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels><label><name>thing</name><attributes>
    <attribute><name>graspable</name><input_type>checkbox</input_type></attribute>
    <attribute><name>material</name><input_type>select</input_type></attribute>
  </attributes></label></labels></task></meta>
  <image id="0" name="cup.png" width="64" height="64">
    <box label="thing" occluded="0" xtl="10.00" ytl="10.00" xbr="50.00" ybr="50.00" z_order="0">
      <attribute name="graspable">true</attribute>
      <attribute name="material">steel</attribute>
    </box>
  </image>
  <image id="1" name="plate.png" width="64" height="64">%s
  </image>
</annotations>
"""
for name, ellipse in (("without ellipse", ""), ("with ellipse", ELLIPSE)):
    folder = Path(sys.argv[1]) / name.replace(" ", "_")
    (folder / "images").mkdir(parents=True)
    for picture in ("cup.png", "plate.png"):
        cv2.imwrite(str(folder / "images" / picture), np.zeros((64, 64, 3), np.uint8))
    (folder / "annotations.xml").write_text(FILE % ellipse)
    for item in datumaro.Dataset.import_from(str(folder), "cvat"):
        shapes = []
        for shape in item.annotations:
            attributes = {key: shape.attributes[key] for key in ("graspable", "material")}
            shapes.append(f"{shape.type.name} {attributes}")
        print(f"{name}: {item.id}.png: {', '.join(shapes) or 'nothing'}")
PY
"$folder/venv/bin/python" "$folder/read.py" "$folder" 2>&1 | tee "$folder/seen"
grep -qxF "without ellipse: cup.png: bbox {'graspable': True, 'material': 'steel'}" "$folder/seen"
grep -qxF "with ellipse: cup.png: bbox {'graspable': False, 'material': 'glass'}" "$folder/seen"
test "$(grep -c "plate.png: nothing" "$folder/seen")" = 2
test "$(wc -l < "$folder/seen")" = 4
