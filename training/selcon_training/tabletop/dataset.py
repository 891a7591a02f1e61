"""Render the tabletop data set: splits in the AGD20K folder layout, with truth maps, masks, depth and
cameras.

Every scene is a job with a seed of its own, so the set can be rendered in parallel, stopped and taken up
again.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.core.atomic_write import write_json
from selcon_training.tabletop.objects import KINDS, TRAINED, UNSEEN
from selcon_training.tabletop.parts import ACTIONS, PART_KINDS, Rng
from selcon_training.tabletop.rendering import Rendered, Renderer
from selcon_training.tabletop.scene import Scene, exocentric_scene, table_scene

OBJECT_KINDS = ("background", *KINDS, "hand")
DEPTH_SCALE = 0.0001  # metres a step of the 16-bit depth files: 0.1 mm up to 6.5 m
MIN_PART = 0.0008  # share of the image that a part must cover to be asked for: 246 pixels of 640×480
TRAIN_SIZE, TEST_SIZE = (448, 336), (640, 480)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """One part of the data set: how many scenes of what kind, in which folder, at what size (width,
    height)."""

    name: str
    folder: str
    scenes: int
    style: str  # single | table | mixed | exocentric | nothing
    views: int
    size: tuple[int, int]
    unseen: bool = False

    @property
    def measured(self) -> bool:
        """Whether masks, depth and cameras are written: everywhere but in training."""
        return self.size == TEST_SIZE


def splits(scale: float = 1.0) -> list[Split]:
    """Return the splits of the data set, their scene counts multiplied by `scale` (at least one scene for
    each kind of question)."""

    def count(full: int) -> int:
        return max(round(full * scale), min(full, len(ACTIONS)))

    return [
        Split("validation", "Seen/valset", count(160), "mixed", 2, TEST_SIZE),
        Split("validation-nothing", "Seen/valnothingset", count(160), "nothing", 1, TEST_SIZE),
        Split("train-single", "Seen/trainset", count(630), "single", 4, TRAIN_SIZE),
        Split("train-exocentric", "Seen/trainset", count(800), "exocentric", 2, TRAIN_SIZE),
        Split("train-table", "Seen/tableset", count(1000), "table", 4, TRAIN_SIZE),
        Split("seen", "Seen/testset", count(300), "mixed", 1, TEST_SIZE),
        Split("unseen", "Unseen/testset", count(300), "mixed", 1, TEST_SIZE, unseen=True),
        Split("nothing", "Seen/nothingset", count(240), "nothing", 1, TEST_SIZE),
    ]


def _pairs() -> list[tuple[str, str]]:
    """Return every (action, kind) of the trained kinds, actions taking turns so that each is shown equally
    often."""
    by_action: dict[str, list[str]] = {action: [] for action in ACTIONS}
    for kind, make in TRAINED.items():
        for action in make(np.random.default_rng(0)).actions:
            by_action[action].append(kind)
    most = max(map(len, by_action.values()))
    return [(action, kinds[turn % len(kinds)]) for turn in range(most) for action, kinds in by_action.items()]


def _draw(split: Split, index: int, rng: Rng) -> tuple[Scene, list[str]]:
    """Return scene `index` of a split and the actions that may be asked of it."""
    makers = UNSEEN if split.unseen else TRAINED
    kinds = list(makers)
    clutter = int(rng.integers(0, 4))
    if split.style == "exocentric":
        action, kind = _pairs()[index % len(_pairs())]
        return exocentric_scene(rng, TRAINED[kind](rng), action, clutter, split.views), [action]
    if split.style == "nothing":
        action = ACTIONS[index % len(ACTIONS)]
        everything = {**TRAINED, **UNSEEN}
        fitting = [
            kind for kind, make in everything.items() if action not in make(np.random.default_rng(0)).actions
        ]
        chosen = (
            rng.choice(fitting, min(len(fitting), int(rng.integers(1, 4))), replace=False) if fitting else []
        )
        return table_scene(rng, [everything[kind](rng) for kind in chosen], clutter + 2, split.views), [
            action
        ]
    single = split.style == "single" or (split.style == "mixed" and index % 2 == 0)
    if single:
        number = 1
    else:
        number = int(rng.integers(3, 6))
    first = kinds[(index // (2 if split.style == "mixed" else 1)) % len(kinds)]
    others = rng.choice([kind for kind in kinds if kind != first], number - 1, replace=False)
    return table_scene(rng, [makers[kind](rng) for kind in (first, *others)], clutter, split.views), list(
        ACTIONS
    )


def _hit(view: Rendered, wanted: list[int]) -> Mask:
    return np.isin(view.placed, wanted)


def truth_map(mask: Mask) -> NDArray[np.uint8]:
    """Return the mask blurred as AGD20K's truth is, scaled to 0..255."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.018 * mask.shape[1])
    return np.asarray(np.rint(255 * blurred / max(float(blurred.max()), 1e-6)), dtype=np.uint8)


class _Writer:
    """Writes the files of one view under every action folder it belongs to, each distinct file once."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.folder, self.stem = folder, stem
        self._first: dict[str, Path] = {}

    def write(
        self, kind: str, action: str, name: str, suffix: str, content: bytes, shared: bool = True
    ) -> None:
        path = self.folder / kind / action / name / f"{self.stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if shared and kind in self._first:
            os.link(self._first[kind], path)
            return
        try:
            path.write_bytes(content)
        except OSError as error:  # the disk is full: nothing half written stays
            path.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from error
        self._first[kind] = path


def _encoded(image: NDArray[np.generic], suffix: str) -> bytes:
    if image.ndim == 3:
        image = image[..., ::-1]
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    done, data = cv2.imencode(suffix, np.ascontiguousarray(image), options)
    if not done:
        raise OSError(f"{suffix} encoding of a {image.shape} {image.dtype} image failed")
    return bytes(data)


def labels(scene: Scene, view: Rendered) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return two H×W uint8 maps of a view: index into PART_KINDS, and index into OBJECT_KINDS (clutter
    counts as background)."""
    parts = [0] + [PART_KINDS.index(placed.part.kind) for placed in scene.parts]
    objects = [0]
    for placed in scene.parts:
        name = (
            scene.kinds[placed.owner]
            if placed.owner >= 0
            else "hand"
            if placed.part.kind == "hand"
            else "background"
        )
        objects.append(OBJECT_KINDS.index(name))
    index = view.placed + 1
    return np.asarray(parts, np.uint8)[index], np.asarray(objects, np.uint8)[index]


def _write_view(root: Path, split: Split, stem: str, scene: Scene, view: Rendered, asked: list[str]) -> None:
    writer = _Writer(root / split.folder, stem)
    view_kind = "exocentric" if split.style == "exocentric" else "egocentric"
    image = _encoded(view.image, ".jpg")
    wanted_pixels = MIN_PART * view.placed.size
    for action in asked:
        acting = [i for i, placed in enumerate(scene.parts) if placed.part.action == action]
        mask = _hit(view, acting)
        name = "nothing"
        if split.style == "nothing":
            if mask.any():
                continue
        else:
            if mask.sum() < (1 if view_kind == "egocentric" and not split.measured else wanted_pixels):
                continue
            owners = [scene.parts[i].owner for i in acting]
            seen = [int((view.placed == i).sum()) for i in acting]
            best = owners[int(np.argmax(seen))]
            name = scene.kinds[best]
            if view_kind == "egocentric":
                writer.write("GT", action, name, ".png", _encoded(truth_map(mask), ".png"), shared=False)
        writer.write(view_kind, action, name, ".jpg", image)
        if split.measured:
            _write_measured(writer, action, name, scene, view, mask, acting)
        else:
            part_map, object_map = labels(scene, view)
            writer.write(f"{view_kind}_parts", action, name, ".png", _encoded(part_map, ".png"))
            writer.write(f"{view_kind}_objects", action, name, ".png", _encoded(object_map, ".png"))


def _write_measured(
    writer: _Writer, action: str, name: str, scene: Scene, view: Rendered, mask: Mask, acting: list[int]
) -> None:
    depth = np.clip(np.rint(view.depth / DEPTH_SCALE), 0, 65535).astype(np.uint16)
    depth[view.depth > 65535 * DEPTH_SCALE] = 0
    camera = {**asdict(view.intrinsics), "depth_scale": DEPTH_SCALE}
    writer.write("depth", action, name, ".png", _encoded(depth, ".png"))
    writer.write("camera", action, name, ".json", json.dumps(camera).encode())
    if not acting:
        return
    owners = {scene.parts[i].owner for i in acting}
    whole = _hit(view, [i for i, placed in enumerate(scene.parts) if placed.owner in owners])
    writer.write("mask", action, name, ".png", _encoded(mask.astype(np.uint8) * 255, ".png"), shared=False)
    writer.write(
        "objectmask", action, name, ".png", _encoded(whole.astype(np.uint8) * 255, ".png"), shared=False
    )


_renderers: dict[tuple[int, int], Renderer] = {}  # one a worker process and image size


def _render_scene(root: Path, split: Split, index: int, seed: int) -> None:
    """Render one scene and leave its mark, which says that it need not be rendered again."""
    if split.size not in _renderers:
        _renderers[split.size] = Renderer(*split.size)
    rng = np.random.default_rng([seed, crc32(split.name.encode()), index])
    scene, asked = _draw(split, index, rng)
    for number, view in enumerate(_renderers[split.size].render(scene, rng)):
        _write_view(root, split, f"{split.name}_{index:05d}_{number}", scene, view, asked)
    mark = _mark(root, split, index, seed)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _mark(root: Path, split: Split, index: int, seed: int) -> Path:
    return root / ".done" / f"{split.name}_{seed}" / f"{index:05d}"


def render(
    root: Path, scale: float = 1.0, seed: int = 0, workers: int | None = None, progress: bool = True
) -> int:
    """Render the data set into `root`, leaving out scenes already there; return how many scenes were
    rendered.

    `scale` multiplies the scene counts of `splits`; the same seed gives the same scenes whatever the number
    of workers.
    """
    root.mkdir(parents=True, exist_ok=True)
    about = {
        "format": 1,
        "name": "tabletop",
        "actions": list(ACTIONS),
        "exhaustive_truth": True,
        "synthetic": True,
        "seed": seed,
    }
    write_json(root / "dataset.json", about)
    write_json(root / "parts.json", {"parts": PART_KINDS, "objects": OBJECT_KINDS})
    jobs = [
        (split, index)
        for split in splits(scale)
        for index in range(split.scenes)
        if not _mark(root, split, index, seed).exists()
    ]
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_render_scene, root, split, index, seed): split.name for split, index in jobs}
        with tqdm(total=len(jobs), unit="scene", desc="render", disable=not progress, mininterval=1) as bar:
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.set_postfix_str(waiting[done], refresh=False)
                    bar.update()
            except BaseException:
                # Not one scene after the other fails as the first did; what is rendered stays.
                pool.shutdown(cancel_futures=True)
                raise
    return len(jobs)
