#!/bin/bash
# rerun: boxes that are given as YXYX or YXHW are written in reverse order, so each has another one's label and colour.
#
# Versions: rerun-sdk 0.41.0, numpy 2.2.6, Python 3.11.
# Expected: rr.Boxes2D gives the same boxes for the same array in each of its formats. YXYX is documented as
#   [y0, x0, y1, x1], which is how TensorFlow's detectors answer.
# Happens: to swap x and y it calls numpy.flip without an axis, which also turns the order of the rows around. labels,
#   colors and class_ids keep theirs. Each box lies right, and the first has the last one's label. With one box, or
#   with boxes without labels, nothing is to be seen of it. There is no warning.
# Seen (left, top, right, bottom of each label):
#   XYXY: cup 10 20 30 60, spoon 100 200 140 280, pan 300 400 310 420
#   YXYX: cup 300 400 310 420, spoon 100 200 140 280, pan 10 20 30 60
#   XYWH: cup 10 20 30 60, spoon 100 200 140 280, pan 300 400 310 420
#   YXHW: cup 300 400 310 420, spoon 100 200 140 280, pan 10 20 30 60
# To do: reorder the columns with numpy, boxes[:, [1, 0, 3, 2]], and give them as XYXY or XYWH.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install rerun-sdk==0.41.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import numpy as np
import rerun as rr

labels = ["cup", "spoon", "pan"]
corners = np.array([[10, 20, 30, 60], [100, 200, 140, 280], [300, 400, 310, 420]])
sizes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
x_and_y_swapped = [1, 0, 3, 2]
for name, array in (
    ("XYXY", corners),
    ("YXYX", corners[:, x_and_y_swapped]),
    ("XYWH", sizes),
    ("YXHW", sizes[:, x_and_y_swapped]),
):
    boxes = rr.Boxes2D(array=array, array_format=rr.Box2DFormat[name], labels=labels)
    written = (boxes.labels, boxes.centers, boxes.half_sizes)
    shown = []
    for label, centre, half in zip(*(each.as_arrow_array().to_pylist() for each in written), strict=True):
        edges = np.concatenate([np.subtract(centre, half), np.add(centre, half)])
        shown.append(" ".join([label, *(f"{edge:.0f}" for edge in edges)]))
    print(f"{name}: {', '.join(shown)}")
PY
grep -qxF "XYXY: cup 10 20 30 60, spoon 100 200 140 280, pan 300 400 310 420" "$folder/seen"
grep -qxF "YXYX: cup 300 400 310 420, spoon 100 200 140 280, pan 10 20 30 60" "$folder/seen"
grep -qxF "XYWH: cup 10 20 30 60, spoon 100 200 140 280, pan 300 400 310 420" "$folder/seen"
grep -qxF "YXHW: cup 300 400 310 420, spoon 100 200 140 280, pan 10 20 30 60" "$folder/seen"
