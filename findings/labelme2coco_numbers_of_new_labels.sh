#!/bin/bash
# labelme2coco: a label that only the validation photos have gets another label's number, and that one a new number.
#
# Versions: labelme2coco 0.2.6, sahi 0.12.8, pycocotools 2.0.11, Python 3.11.
# Expected: as its README does under "Advanced Usage", the categories of the training photos are given for the
#   validation photos (coco_category_list=train_coco.json_categories), so that cup has the same number in both files. A
#   label that is not among them gets a number of its own, or is an error.
# Happens, without a word: new labels are numbered from category_id_start on, though the list has these numbers. The
#   first new label, kettle, gets the number of cup, and takes cup's place in the converter's table. So the next cup
#   counts as new, too, and gets the number of plate, and so on. The file lists numbers twice; pycocotools takes the
#   last name. For a network that was trained with the first file, the kettle is a cup, and the cup of the second
#   photo a plate.
# Seen (in brackets: the name that pycocotools has for the number):
#   train, photo 1: cup 1 (cup), plate 2 (plate)
#   val, photo 1: cup 1 (kettle), plate 2 (cup), kettle 1 (kettle)
#   val, photo 2: cup 2 (cup), plate 3 (plate), kettle 1 (kettle)
#   val, categories: 1 cup, 2 plate, 1 kettle, 2 cup, 3 plate
# To do: convert all photos at once (train_split_rate), or give a list of the labels of both sets; look for numbers that
#   come twice in a file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install shapely==2.1.2 pycocotools==2.0.11 opencv-python-headless==4.13.0.92 numpy==2.2.6 \
  pillow==12.2.0 pyyaml==6.0.3 requests==2.32.5 tqdm==4.67.1 jsonschema==4.25.1
# sahi asks for opencv-python, which wants libGL, and for what it draws with.
"$folder/venv/bin/pip" -q install --no-deps sahi==0.12.8 labelme2coco==0.2.6
cat > "$folder/convert.py" <<'PY'
import contextlib
import io
import json
import sys
from pathlib import Path

from labelme2coco import get_coco_from_labelme_folder, save_json
from pycocotools.coco import COCO

SETS = {
    "train": [["cup", "plate"]],
    "val": [["cup", "plate", "kettle"], ["cup", "plate", "kettle"]],
}
given = None
for name, photos in SETS.items():
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    for number, labels in enumerate(photos):
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [
                {
                    "label": label,
                    "points": [[10, 10], [50, 10], [50, 50]],
                    "group_id": None,
                    "shape_type": "polygon",
                    "flags": {},
                }
                for label in labels
            ],
            "imagePath": f"{number}.jpg",
            "imageData": None,
            "imageHeight": 60,
            "imageWidth": 60,
        }
        (folder / f"{number}.json").write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        made = get_coco_from_labelme_folder(str(folder), coco_category_list=given, category_id_start=1)
        save_json(made.json, str(folder / "coco.json"))
        read = COCO(str(folder / "coco.json"))
    given = made.json_categories
    for order, (image, labels) in enumerate(zip(sorted(read.imgs), photos), 1):
        numbers = [each["category_id"] for each in read.imgToAnns[image]]
        told = [f"{label} {number} ({read.cats[number]['name']})" for label, number in zip(labels, numbers)]
        print(f"{name}, photo {order}: {', '.join(told)}")
listed = [f"{each['id']} {each['name']}" for each in given]
print(f"val, categories: {', '.join(listed)}")
PY
TQDM_DISABLE=1 "$folder/venv/bin/python" "$folder/convert.py" "$folder" | tee "$folder/seen"
grep -qxF "train, photo 1: cup 1 (cup), plate 2 (plate)" "$folder/seen"
grep -qxF "val, photo 1: cup 1 (kettle), plate 2 (cup), kettle 1 (kettle)" "$folder/seen"
grep -qxF "val, photo 2: cup 2 (cup), plate 3 (plate), kettle 1 (kettle)" "$folder/seen"
grep -qxF "val, categories: 1 cup, 2 plate, 1 kettle, 2 cup, 3 plate" "$folder/seen"
