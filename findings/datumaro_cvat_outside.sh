#!/bin/bash
# datumaro: what CVAT marks as outside of a frame of a video is exported as an object in that frame.
#
# Versions: datumaro 1.13.12, opencv-python-headless 4.13.0.92, numpy 2.2.6, Python 3.11.
# Expected: outside="1" ends a track: "When the annotated object disappears or becomes too small, you need to finish
#   the track. You have to choose Outside Property" (CVAT's manual, "Track mode"). Such a shape lies where the object
#   was last. CVAT's own exports to formats of single frames are to leave it out (cvat-ai/cvat#1729, #2345).
# Happens, without a word: datumaro reads it as a shape with an attribute "outside", and its exporters do not look at
#   that. An object that has left is an object in the frame after its last one, wherever the camera looks by then.
#   What was drawn in one frame only, without a track, counts twice: "CVAT for video" has it as a track of two frames,
#   of which the second is outside. Frames that nobody labelled become part of the data set this way.
#   COCO's and Pascal VOC's files have "outside" among the attributes, which training code does not read; YOLO's do not.
# Seen (frames):
#   CVAT: cup in 0 1 2; pen in 0
#   COCO: cup in 0 1 2 3; pen in 0 1
#   Pascal VOC: cup in 0 1 2 3; pen in 0 1
#   YOLO: cup in 0 1 2 3; pen in 0 1
#   COCO, filtered: cup in 0 1 2; pen in 0
# To do: export from CVAT as "CVAT for images", or after reading, filter the data set as below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install datumaro==1.13.12 opencv-python-headless==4.13.0.92 numpy==2.2.6
cat > "$folder/export.py" <<'PY'
import json
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import cv2
import datumaro
import numpy as np

FILE = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <size>5</size>
      <mode>interpolation</mode>
      <labels>
        <label><name>cup</name><attributes></attributes></label>
        <label><name>pen</name><attributes></attributes></label>
      </labels>
      <original_size><width>100</width><height>100</height></original_size>
    </task>
  </meta>
  <track id="0" label="cup" source="manual">
    <box frame="0" keyframe="1" outside="0" occluded="0" xtl="10.00" ytl="10.00" xbr="30.00" ybr="40.00" z_order="0">
    </box>
    <box frame="1" keyframe="0" outside="0" occluded="0" xtl="15.00" ytl="10.00" xbr="35.00" ybr="40.00" z_order="0">
    </box>
    <box frame="2" keyframe="1" outside="0" occluded="0" xtl="20.00" ytl="10.00" xbr="40.00" ybr="40.00" z_order="0">
    </box>
    <box frame="3" keyframe="1" outside="1" occluded="0" xtl="20.00" ytl="10.00" xbr="40.00" ybr="40.00" z_order="0">
    </box>
  </track>
  <track id="1" label="pen" source="manual">
    <box frame="0" keyframe="1" outside="0" occluded="0" xtl="50.00" ytl="60.00" xbr="90.00" ybr="70.00" z_order="0">
    </box>
    <box frame="1" keyframe="1" outside="1" occluded="0" xtl="50.00" ytl="60.00" xbr="90.00" ybr="70.00" z_order="0">
    </box>
  </track>
</annotations>
"""


def tell(name, found):
    """Print the frames of each label from pairs (label, frame)."""
    frames = defaultdict(list)
    for label, frame in sorted(found):
        frames[label].append(str(frame))
    print(f"{name}:", "; ".join(f"{label} in {' '.join(each)}" for label, each in frames.items()))


def coco(data, folder):
    """The pairs that are in an export to COCO."""
    data.export(str(folder), "coco_instances")
    (file,) = folder.rglob("*.json")
    content = json.loads(file.read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    files = {each["id"]: number(each["file_name"]) for each in content["images"]}
    return [(names[each["category_id"]], files[each["image_id"]]) for each in content["annotations"]]


def number(name):
    """The frame of a file frame_000001.EXTENSION."""
    return int(Path(name).stem.removeprefix("frame_"))


root = Path(sys.argv[1])
source = root / "video"
(source / "images").mkdir(parents=True)
for frame in range(5):
    cv2.imwrite(str(source / "images" / f"frame_{frame:06}.png"), np.zeros((100, 100, 3), np.uint8))
(source / "annotations.xml").write_text(FILE)
tracks = ElementTree.fromstring(FILE).iter("track")
boxes = [(track.get("label"), box) for track in tracks for box in track if box.get("outside") == "0"]
tell("CVAT", [(label, int(box.get("frame"))) for label, box in boxes])

data = datumaro.Dataset.import_from(str(source), "cvat")
tell("COCO", coco(data, root / "coco"))
data.export(str(root / "voc"), "voc_detection")
files = (root / "voc" / "Annotations").rglob("*.xml")
names = [(file, each.text) for file in files for each in ElementTree.parse(file).iterfind("object/name")]
tell("Pascal VOC", [(name, number(file)) for file, name in names])
data.export(str(root / "yolo"), "yolo")
files = (root / "yolo").rglob("frame_*.txt")
lines = [(file, line) for file in files for line in file.read_text().splitlines()]
tell("YOLO", [(("cup", "pen")[int(line.split()[0])], number(file)) for file, line in lines])
data.filter('/item/annotation[not(outside="True")]', filter_annotations=True, remove_empty=True)
tell("COCO, filtered", coco(data, root / "filtered"))
PY
"$folder/venv/bin/python" "$folder/export.py" "$folder" | tee "$folder/seen"
grep -qxF "CVAT: cup in 0 1 2; pen in 0" "$folder/seen"
grep -qxF "COCO: cup in 0 1 2 3; pen in 0 1" "$folder/seen"
grep -qxF "Pascal VOC: cup in 0 1 2 3; pen in 0 1" "$folder/seen"
grep -qxF "YOLO: cup in 0 1 2 3; pen in 0 1" "$folder/seen"
grep -qxF "COCO, filtered: cup in 0 1 2; pen in 0" "$folder/seen"
