"""A tiny data set in the AGD20K layout, drawn with numpy: coloured squares on grey, every action a colour."""

import json
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"cut_with": (220, 30, 30), "hold": (30, 200, 40), "pour": (40, 60, 220)}
SIZE = (96, 128)
SQUARE = 30
HAND = (230, 190, 160)


def make_dataset(
    root: Path,
    train: int = 12,
    val: int = 6,
    test: int = 6,
    negatives: int = 4,
    exhaustive: bool = True,
    divide: str | None = "Seen",
    seed: int = 0,
) -> Path:
    """Write the data set. Each scene shows a "tool" with two coloured squares: two of the three actions.

    Exhaustive: one picture lies under both action folders and dataset.json says so. Otherwise each action has
    pictures of its own, and no dataset.json, no valset, mask, depth or camera files, as in AGD20K.
    """
    rng = np.random.default_rng(seed)
    base = root / divide if divide else root
    root.mkdir(parents=True, exist_ok=True)
    if exhaustive:
        described = {
            "format": 1,
            "name": "squares",
            "actions": list(COLOURS),
            "exhaustive_truth": True,
            "synthetic": True,
        }
        (root / "dataset.json").write_text(json.dumps(described))
    kinds = {
        "cut_spout": ("cut_with", "pour"),
        "cut_grip": ("cut_with", "hold"),
        "grip_spout": ("hold", "pour"),
    }
    counts = {"trainset": train, "testset": test} | ({"valset": val} if exhaustive else {})
    for split, count in counts.items():
        for number in range(count):
            kind, actions = list(kinds.items())[number % len(kinds)]
            image, parts, things = _scene(rng, actions)
            for turn, action in enumerate(actions):
                stem = f"{split}_{number:03d}" + ("" if exhaustive else f"_{turn}")
                extras = exhaustive and split != "trainset"
                _write_ego(base / split, action, kind, stem, image, parts, things, extras)
                if exhaustive and split == "trainset":
                    labels = _labels(parts, image, list(kinds).index(kind))
                    _write_labels(base / split, "egocentric", action, kind, stem, labels)
                if split == "trainset":
                    for view in range(2):
                        exo, exo_parts, _ = _scene(rng, actions, hand=True)
                        _image(base / split / "exocentric" / action / kind / f"{stem}_{view}.jpg", exo)
                        if exhaustive:
                            labels = _labels(exo_parts, exo, list(kinds).index(kind))
                            _write_labels(base / split, "exocentric", action, kind, f"{stem}_{view}", labels)
    if exhaustive:
        names = {"parts": ["background", *(f"{action}_part" for action in COLOURS), "hand"]}
        names["objects"] = ["background", *kinds, "hand"]
        (root / "parts.json").write_text(json.dumps(names))
        for split in ("valnothingset", "nothingset"):
            for number in range(negatives):
                missing = list(COLOURS)[number % len(COLOURS)]
                image, _, _ = _scene(rng, tuple(a for a in COLOURS if a != missing))
                _image(base / split / "egocentric" / missing / "scene" / f"{split}_{number:03d}.jpg", image)
                _depth_and_camera(base / split, missing, "scene", f"{split}_{number:03d}")
    return root


def config_values(root: Path, output: Path, **changes: object) -> dict:
    """Plain configuration values for a dense run of a few steps on the CPU; `changes` replace whole
    sections."""
    values: dict = {
        "name": "squares",
        "supervision": "dense",
        "output": str(output),
        "device": "cpu",
        "data": {
            "root": str(root),
            "divide": "Seen",
            "input_size": [96, 128],
            "fit": "stretch",
            "zoom": [1.0, 1.2],
        },
        "encoders": {"clip": {"name": "selcon-test-clip"}, "dino": {"name": "test_vit"}},
        "optimiser": {"kind": "adamw", "lr": 0.002, "encoder_lr": 0.001, "weight_decay": 0.01},
        "schedule": {"epochs": 2, "batch_size": 4, "rate": "cosine"},
        "logging": {"every_steps": 1, "overlays": 2},
    }
    return values | changes


def weak_values(root: Path, output: Path, **changes: object) -> dict:
    """The same for a weak run on stored features."""
    optimiser = {"kind": "sgd", "lr": 0.01}
    values = config_values(root, output, supervision="weak", optimiser=optimiser, **changes)
    values["encoders"]["cache_features"] = True
    return values


def _scene(rng, actions, hand=False):
    height, width = SIZE
    image = np.full((height, width, 3), 128, np.uint8)
    image += rng.integers(0, 12, image.shape, dtype=np.uint8)
    parts, whole = {}, np.zeros((height, width), np.uint8)
    left = int(rng.integers(2, width - 2 * SQUARE - 6))
    top = int(rng.integers(2, height - SQUARE - 2))
    for place, action in enumerate(rng.permutation(list(actions))):
        x = left + place * (SQUARE + 2)
        image[top : top + SQUARE, x : x + SQUARE] = COLOURS[str(action)]
        mask = np.zeros((height, width), np.uint8)
        mask[top : top + SQUARE, x : x + SQUARE] = 255
        parts[str(action)] = mask
        whole |= mask
    if hand:
        image[top + SQUARE // 2 :, left : left + 10] = HAND
    return image, parts, whole


def _write_ego(folder, action, kind, stem, image, parts, whole, extras):
    _image(folder / "egocentric" / action / kind / f"{stem}.jpg", image)
    truth = cv2.GaussianBlur(parts[action], (0, 0), 2.5)
    _image(folder / "GT" / action / kind / f"{stem}.png", truth)
    if extras:
        _image(folder / "mask" / action / kind / f"{stem}.png", parts[action])
        _image(folder / "objectmask" / action / kind / f"{stem}.png", whole)
        _depth_and_camera(folder, action, kind, stem)


def _labels(parts, image, kind):
    """Label maps of parts and of objects; the hand is what has its colour."""
    ids, objects = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    for number, name in enumerate(COLOURS):
        if name in parts:
            ids[parts[name] > 0] = number + 1
            objects[parts[name] > 0] = kind + 1
    hand = np.abs(image.astype(int) - HAND).sum(axis=2) == 0
    ids[hand], objects[hand] = len(COLOURS) + 1, 4
    return {"parts": ids, "objects": objects}


def _write_labels(folder, view, action, kind, stem, labels):
    for name, ids in labels.items():
        _image(folder / f"{view}_{name}" / action / kind / f"{stem}.png", ids)


def _depth_and_camera(folder, action, kind, stem):
    depth = np.full(SIZE, 600, np.uint16)
    _image(folder / "depth" / action / kind / f"{stem}.png", depth)
    camera = {
        "width": SIZE[1],
        "height": SIZE[0],
        "fx": 240.0,
        "fy": 240.0,
        "cx": 63.5,
        "cy": 47.5,
        "depth_scale": 0.001,
    }
    path = folder / "camera" / action / kind / f"{stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(camera))


def _image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    assert cv2.imwrite(str(path), bgr)
