#!/bin/bash
# Label Studio: the COCO export makes one object of all key points in a photo, and keeps only those of the last one.
#
# Versions: label-studio-sdk 2.1.2, which Label Studio exports with, Python 3.11.
# Expected: each object keeps its key points. Label Studio's guide ("Export annotations", COCO) says to draw a rectangle
#   for each object and to drag its key points under it: the hierarchy "(via parentID)" is "necessary for export". COCO
#   has "keypoints" for each object, in the order of the names in its category.
# Happens, without a word: the export to COCO does not look at parentID. It writes a single entry for each photo, of a
#   category "default" that nobody defined, without an area, and puts every point into it by its name. Of two knives,
#   the first one's points are lost. If the tip of one and the end of the other are hidden, the entry is a knife that
#   reaches from one to the other. The names in the category have the order of the labelling configuration, the points
#   that of model_index: where these differ, the tip is called end. The export to YOLO is right in all three cases.
# Seen:
#   two knives, drawn: knife tip 20,20 end 60,80; knife tip 120,20 end 160,80
#   two knives, YOLO: knife tip 20,20 end 60,80; knife tip 120,20 end 160,80
#   two knives, COCO: default tip 120,20 end 160,80
#   half hidden, drawn: knife tip 20,20; knife end 160,80
#   half hidden, YOLO: knife tip 20,20; knife end 160,80
#   half hidden, COCO: default tip 20,20 end 160,80
#   end has index 0, drawn: knife tip 20,20 end 60,80
#   end has index 0, YOLO: knife tip 20,20 end 60,80
#   end has index 0, COCO: default tip 60,80 end 20,20
# To do: export to YOLO, or read the JSON export and go by parentID.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install label-studio-sdk==2.1.2
cat > "$folder/export.py" <<'PY'
import json
import sys
from pathlib import Path

from label_studio_sdk.converter import Converter

WIDTH, HEIGHT = 200, 100
CONFIG = """<View>
  <Image name="photo" value="$photo"/>
  <RectangleLabels name="box" toName="photo"><Label value="knife"/></RectangleLabels>
  <KeyPointLabels name="point" toName="photo">
    <Label value="tip" model_index="{tip}"/>
    <Label value="end" model_index="{end}"/>
  </KeyPointLabels>
</View>"""
LEFT = {"tip": (20, 20), "end": (60, 80)}  # in pixels
RIGHT = {"tip": (120, 20), "end": (160, 80)}


def shares(x, y):
    """As Label Studio keeps points: in hundredths of the photo."""
    return {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT}


def region(name, parent, control, label, value):
    kind = {"box": "rectanglelabels", "point": "keypointlabels"}[control]
    made = {"id": name, "from_name": control, "to_name": "photo", "type": kind, "image_rotation": 0}
    made |= {"original_width": WIDTH, "original_height": HEIGHT, "value": value | {kind: [label]}}
    return made | ({"parentID": parent} if parent else {})


def told(objects):
    """Text of objects, each with the name of its category and its points."""
    return "; ".join(
        " ".join([name, *(f"{part} {x:.0f},{y:.0f}" for part, (x, y) in sorted(points.items(), reverse=True))])
        for name, points in objects
    )


def named(names, numbers):
    """The points among x, y, visibility, x, y, visibility, ... that are visible."""
    return {name: (x, y) for name, x, y, seen in zip(names, numbers[::3], numbers[1::3], numbers[2::3]) if seen}


for title, knives, order in (
    ("two knives", [LEFT, RIGHT], ["tip", "end"]),
    ("half hidden", [{"tip": LEFT["tip"]}, {"end": RIGHT["end"]}], ["tip", "end"]),
    ("end has index 0", [LEFT], ["end", "tip"]),
):
    folder = Path(sys.argv[1]) / title.replace(" ", "_")
    folder.mkdir()
    regions = []
    for number, knife in enumerate(knives):
        box = shares(10 + 100 * number, 10) | {"width": 40, "height": 80, "rotation": 0}
        regions.append(region(f"knife{number}", None, "box", "knife", box))
        for part, place in knife.items():
            point = shares(*place) | {"width": 1}
            regions.append(region(f"{part}{number}", f"knife{number}", "point", part, point))
    task = {
        "id": 1,
        "data": {"photo": "/data/upload/1/photo.png"},
        "annotations": [{"id": 1, "completed_by": 1, "result": regions}],
    }
    (folder / "tasks.json").write_text(json.dumps([task]))
    config = CONFIG.format(tip=order.index("tip"), end=order.index("end"))
    for form in ("YOLO", "COCO"):
        Converter(config, str(folder)).convert(str(folder / "tasks.json"), str(folder / form), form, is_dir=False)

    classes = (folder / "YOLO" / "classes.txt").read_text().split()
    yolo = []
    for row in (folder / "YOLO" / "labels" / "photo.txt").read_text().splitlines():
        number, *numbers = (float(each) for each in row.split())
        points = named(order, numbers[4:])
        yolo.append((classes[int(number)], {name: (x * WIDTH, y * HEIGHT) for name, (x, y) in points.items()}))
    content = json.loads((folder / "COCO" / "result.json").read_text())
    categories = {each["id"]: each for each in content["categories"]}
    coco = []
    for each in content["annotations"]:
        if "keypoints" in each:
            category = categories[each["category_id"]]
            coco.append((category["name"], named(category["keypoints"], each["keypoints"])))
    print(f"{title}, drawn: {told(('knife', knife) for knife in knives)}")
    print(f"{title}, YOLO: {told(yolo)}")
    print(f"{title}, COCO: {told(coco)}")
PY
"$folder/venv/bin/python" "$folder/export.py" "$folder" | tee "$folder/seen"
for how in drawn YOLO; do
  grep -qxF "two knives, $how: knife tip 20,20 end 60,80; knife tip 120,20 end 160,80" "$folder/seen"
  grep -qxF "half hidden, $how: knife tip 20,20; knife end 160,80" "$folder/seen"
  grep -qxF "end has index 0, $how: knife tip 20,20 end 60,80" "$folder/seen"
done
grep -qxF "two knives, COCO: default tip 120,20 end 160,80" "$folder/seen"
grep -qxF "half hidden, COCO: default tip 20,20 end 160,80" "$folder/seen"
grep -qxF "end has index 0, COCO: default tip 60,80 end 20,20" "$folder/seen"
