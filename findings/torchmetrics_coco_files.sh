#!/bin/bash
# torchmetrics: of results read from COCO files, boxes are taken as another format, and finds in empty photos left out.
#
# Versions: torchmetrics 1.9.0, pycocotools 2.0.11, torch 2.13.0, torchvision 0.28.0, Python 3.11.
# Expected: MeanAveragePrecision.coco_to_tm "accepts a file for the predictions and a file for the target in coco format
#   and converts them to a list of dictionaries containing the boxes, labels and scores in the input format of this
#   metric". So the metric gives the precision that pycocotools gives for the same files, by whose code it computes;
#   and what the metric's own tm_to_coco has written it reads back.
# Happens, without a word: the boxes stay x, y, width, height, as COCO has them. The metric takes x, y, x, y, unless it
#   was made with box_format="xywh"; the example in its documentation calls coco_to_tm on one that was not, and
#   public projects do so. Boxes near the upper left corner become other, smaller ones, all others match nothing.
#   And only photos with objects in the target file become part of the lists. What was found in a photo in which there
#   is nothing, all of it false, is left out, also with box_format="xywh" and with masks: the precision is too high.
#   Data with negatives, photos of an empty table, has many of those. (Of COCO's training photos 1021 are empty.)
# Seen (average precision):
#   near the corner: pycocotools 0.5; torchmetrics 0.6; with xywh 0.5
#   elsewhere: pycocotools 0.5; torchmetrics 0; with xywh 0.5
#   found in an empty photo, too: pycocotools 0.5; torchmetrics 0; with xywh 1
#   the same with masks: pycocotools 0.5; torchmetrics 1
#   written by tm_to_coco: torchmetrics 0.5; read again 0
# To do: give files to pycocotools itself. Or make the metric with box_format="xywh", and add to the two lists the
#   predictions of each empty photo, with a target of no boxes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install torch==2.13.0 torchvision==0.28.0 torchmetrics==1.9.0 pycocotools==2.0.11 'numpy<3'
cat > "$folder/compare.py" <<'PY'
import contextlib
import io
import json
import sys

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # where its compiled operators do not fit the torch: they are not called here
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.detection import MeanAveragePrecision

TARGET, FOUND = f"{sys.argv[1]}/cups_target.json", f"{sys.argv[1]}/cups_preds.json"


def polygon(left, top, width, height):
    """The segmentation of a box."""
    right, bottom = left + width, top + height
    return [[left, top, right, top, right, bottom, left, bottom]]


def write(cup, found):
    """A cup in the first of two photos, and what was found: photo, box, score."""
    cup = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": cup, "segmentation": polygon(*cup)}
    cup["area"] = cup["bbox"][2] * cup["bbox"][3]
    images = [{"id": number, "file_name": f"{number}.png", "width": 640, "height": 480} for number in (1, 2)]
    content = {"images": images, "categories": [{"id": 1, "name": "cup"}], "annotations": [cup]}
    with open(TARGET, "w") as file:
        json.dump(content, file)
    entries = [{"image_id": photo, "category_id": 1, "bbox": box, "score": score} for photo, box, score in found]
    with open(FOUND, "w") as file:
        json.dump([each | {"segmentation": polygon(*each["bbox"])} for each in entries], file)


def by_pycocotools(kind):
    """The average precision of the files."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(TARGET)
        evaluation = COCOeval(truth, truth.loadRes(FOUND), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return f"pycocotools {evaluation.stats[0]:.3g}"


def by_torchmetrics(kind, **options):
    """The metric, which has read the files."""
    metric = MeanAveragePrecision(iou_type=kind, **options)
    metric.update(*metric.coco_to_tm(FOUND, TARGET, iou_type=kind))
    return metric


def precision(metric):
    return f"{metric.compute()['map'].item():.3g}"


CUP, NEAR = [400, 300, 100, 80], [410, 306, 100, 80]
for name, cup, found in (
    ("near the corner", [60, 40, 200, 150], [(1, [80, 50, 200, 150], 0.9)]),
    ("elsewhere", CUP, [(1, NEAR, 0.9)]),
    ("found in an empty photo, too", CUP, [(1, CUP, 0.6), (2, [50, 50, 60, 60], 0.9)]),
):
    write(cup, found)
    plain, told = by_torchmetrics("bbox"), by_torchmetrics("bbox", box_format="xywh")
    print(f"{name}: {by_pycocotools('bbox')}; torchmetrics {precision(plain)}; with xywh {precision(told)}")
print(f"the same with masks: {by_pycocotools('segm')}; torchmetrics {precision(by_torchmetrics('segm'))}")

metric = MeanAveragePrecision()
label = {"labels": torch.tensor([1])}
found = {"boxes": torch.tensor([[410.0, 306.0, 510.0, 386.0]]), "scores": torch.tensor([0.9])} | label
metric.update([found], [{"boxes": torch.tensor([[400.0, 300.0, 500.0, 380.0]])} | label])
metric.tm_to_coco(f"{sys.argv[1]}/cups")
print(f"written by tm_to_coco: torchmetrics {precision(metric)}; read again {precision(by_torchmetrics('bbox'))}")
PY
"$folder/venv/bin/python" "$folder/compare.py" "$folder" 2>&1 | tee "$folder/seen"
grep -qxF "near the corner: pycocotools 0.5; torchmetrics 0.6; with xywh 0.5" "$folder/seen"
grep -qxF "elsewhere: pycocotools 0.5; torchmetrics 0; with xywh 0.5" "$folder/seen"
grep -qxF "found in an empty photo, too: pycocotools 0.5; torchmetrics 0; with xywh 1" "$folder/seen"
grep -qxF "the same with masks: pycocotools 0.5; torchmetrics 1" "$folder/seen"
grep -qxF "written by tm_to_coco: torchmetrics 0.5; read again 0" "$folder/seen"
test "$(wc -l < "$folder/seen")" = 5
