"""A few photos with masks in the layouts that `selcon adapt` reads: coloured squares, as in dataset.py."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np

from support.dataset import COLOURS, SIZE, SQUARE

LABELS = list(COLOURS)


def scenes(count: int, seed: int = 0) -> list[tuple[np.ndarray, dict[str, tuple[int, int]]]]:
    """Pictures, and the left and top of the squares of the two actions that each shows."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        image = np.full((*SIZE, 3), 128, np.uint8) + rng.integers(0, 12, (*SIZE, 3), dtype=np.uint8)
        places = {}
        left, top = int(rng.integers(2, SIZE[1] - 2 * SQUARE - 6)), int(rng.integers(2, SIZE[0] - SQUARE - 2))
        for turn, action in enumerate(LABELS[: number % 3] + LABELS[number % 3 + 1 :]):
            x = left + turn * (SQUARE + 2)
            image[top : top + SQUARE, x : x + SQUARE] = COLOURS[action]
            places[action] = (x, top)
        made.append((image, places))
    return made


def corners(left: int, top: int) -> list[list[int]]:
    """A square as a polygon."""
    return [[left, top], [left + SQUARE, top], [left + SQUARE, top + SQUARE], [left, top + SQUARE]]


def mask_of(left: int, top: int) -> np.ndarray:
    """A square as a mask, 0 or 1."""
    mask = np.zeros(SIZE, np.uint8)
    mask[top : top + SQUARE, left : left + SQUARE] = 1
    return mask


def lengths(values: np.ndarray) -> list[int]:
    """Run lengths of a flat array of 0 and 1, the first of 0."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], values.ravel(), [2]]).astype(int))).tolist()
    return np.diff([0, *ends]).tolist()


def save(path: Path, image: np.ndarray) -> None:
    """Write an RGB picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[:, :, ::-1])


def negatives(folder: Path, count: int = 6) -> Path:
    """Pictures without a square."""
    rng = np.random.default_rng(9)
    for number in range(count):
        noise = rng.integers(0, 12, (*SIZE, 3), np.uint8)
        save(folder / f"n{number}.png", np.full((*SIZE, 3), 128, np.uint8) + noise)
    return folder


def labelme(folder: Path, count: int = 6) -> Path:
    """labelme's files; the first shape of every photo is a polygon, the second a mask."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (image, places) in enumerate(scenes(count)):
        save(folder / f"p{number}.png", image)
        shapes = []
        for turn, (action, (left, top)) in enumerate(places.items()):
            shape = {"label": action, "shape_type": "polygon", "points": corners(left, top), "flags": {}}
            if turn:
                part = np.full((SQUARE, SQUARE), 255, np.uint8)
                content = base64.b64encode(cv2.imencode(".png", part)[1].tobytes()).decode()
                ends = [[left, top], [left + SQUARE - 1, top + SQUARE - 1]]
                shape |= {"shape_type": "mask", "points": ends, "mask": content}
            shapes.append(shape)
        record = {"version": "5.5.0", "shapes": shapes, "imagePath": f"p{number}.png", "imageData": None}
        record |= {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        (folder / f"p{number}.json").write_text(json.dumps(record))
    return folder


def coco(folder: Path, count: int = 6) -> Path:
    """A COCO file in annotations/, as CVAT and others export it: polygons, plain and compressed runs."""
    from pycocotools import mask as coco_mask

    images, annotations = [], []
    for number, (image, places) in enumerate(scenes(count)):
        save(folder / "images" / "default" / f"p{number}.png", image)
        images.append({"id": number, "file_name": f"p{number}.png", "height": SIZE[0], "width": SIZE[1]})
        for turn, (action, (left, top)) in enumerate(places.items()):
            mask = mask_of(left, top)
            segmentation: object = [[value for point in corners(left, top) for value in point]]
            if turn and number % 2:
                segmentation = {"size": list(SIZE), "counts": lengths(mask.T)}
            elif turn:
                segmentation = coco_mask.encode(np.asfortranarray(mask))
                segmentation["counts"] = segmentation["counts"].decode()
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": LABELS.index(action),
                 "segmentation": segmentation, "iscrowd": 0, "bbox": [left, top, SQUARE, SQUARE]}
            )  # fmt: skip
    record = {"images": images, "annotations": annotations}
    record["categories"] = [{"id": number, "name": name} for number, name in enumerate(LABELS)]
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_default.json").write_text(json.dumps(record))
    return folder


def cvat(folder: Path, count: int = 6) -> Path:
    """CVAT for images 1.1: polygons and masks."""
    lines = []
    for number, (image, places) in enumerate(scenes(count)):
        save(folder / "images" / f"p{number}.png", image)
        lines.append(f'<image id="{number}" name="p{number}.png" width="{SIZE[1]}" height="{SIZE[0]}">')
        for turn, (action, (left, top)) in enumerate(places.items()):
            if turn:
                # A row and a column more than the square, to have runs of both kinds.
                part = np.pad(np.ones((SQUARE, SQUARE), np.uint8), ((0, 1), (0, 1)))
                rle = ", ".join(map(str, lengths(part)))
                sides = f'left="{left}" top="{top}" width="{SQUARE + 1}" height="{SQUARE + 1}"'
                lines.append(f'<mask label="{action}" rle="{rle}" {sides} z_order="0"></mask>')
            else:
                points = ";".join(f"{x}.00,{y}.00" for x, y in corners(left, top))
                lines.append(f'<polygon label="{action}" points="{points}" z_order="0"></polygon>')
        lines.append("</image>")
    text = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
    (folder / "annotations.xml").write_text(text + "\n".join(lines) + "</annotations>\n")
    return folder


def folders(folder: Path, count: int = 6) -> Path:
    """AGD20K's layout, with masks; a picture lies under each of its actions."""
    for number, (image, places) in enumerate(scenes(count)):
        for action, (left, top) in places.items():
            place = f"{action}/thing{number % 3}/p{number}.png"
            save(folder / "egocentric" / place, image)
            (folder / "mask" / place).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "mask" / place), 255 * mask_of(left, top))
    return folder


LAYOUTS = {"labelme": labelme, "COCO": coco, "CVAT": cvat, "AGD20K layout": folders}
