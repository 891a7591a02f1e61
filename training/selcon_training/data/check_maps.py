"""The part of a data set's check that compares maps with their images: partners, sizes, EXIF orientation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from selcon_training.data.agd20k import DataSet
from selcon_training.data.check_report import EVALUATION_SPLITS, CheckedSplit, Problems
from selcon_training.data.examine import FileFacts
from selcon_training.data.images import same_aspect
from selcon_training.data.listing import Item
from selcon_training.data.pairs import Stored, TurnError, turn_of
from selcon_training.data.truth_maps import FOLDER_KINDS


def check_maps(
    data: DataSet, splits: Sequence[CheckedSplit], facts: Mapping[Path, FileFacts], findings: Problems
) -> None:
    """Compare every map with its image, and every image with its truth map where there are some."""
    for split in splits:
        if split.maps.get("GT"):
            _check_partners(data, split, findings)
        images = {view: {item.name: item for item in items} for view, items in split.images.items()}
        for kind, items in split.maps.items():
            view = "exocentric" if kind.startswith("exocentric") else "egocentric"
            first: dict[str, Item] = {}
            for item in items:
                image = images.get(view, {}).get(item.name)
                other = first.setdefault(item.name, item)
                if image is not None and other is not item:
                    findings.add("two maps", data.relative(item.path), f"and {other.path.name}")
                elif image is not None:
                    _check_pair(data, image, item, kind in FOLDER_KINDS, facts, findings)


def _check_partners(data: DataSet, split: CheckedSplit, findings: Problems) -> None:
    truths = {item.name for item in split.maps["GT"]}
    images: dict[str, Item] = {}
    for item in split.images.get("egocentric", []):
        first = images.setdefault(item.name, item)
        if first is not item and item.name in truths:
            findings.add("two images", data.relative(item.path), f"and {first.path.name}")
        if split.name in EVALUATION_SPLITS and item.name not in truths:
            findings.add("no truth", data.relative(item.path))
    for item in split.maps["GT"]:
        if item.name not in images:
            findings.add("no image", data.relative(item.path))
    if data.exhaustive_truth:
        for path in split.unread_truth:
            name = "/".join((*path.parts[-3:-1], path.stem))
            if name in images and name not in truths:
                findings.add("map not read", data.relative(path))


def _check_pair(
    data: DataSet,
    image: Item,
    item: Item,
    is_truth: bool,
    facts: Mapping[Path, FileFacts],
    findings: Problems,
) -> None:
    picture, found = facts[image.path], facts[item.path]
    if picture.error or found.error or found.unclear:
        return
    name, size = data.relative(item.path), found.stored.upright
    if is_truth:
        try:
            turn = turn_of(found.stored, picture.stored, item.path.name, image.path.name)
        except TurnError as error:
            findings.add("turned", data.relative(image.path), str(error))
            return
        size = Stored(found.stored.size, turn).upright
        if picture.stored.orientation != 1 and same_aspect(picture.stored.upright, size):
            how = "as the picture is stored: turned with it" if turn != 1 else "as the picture is seen"
            findings.add("with its image", name, how)
    wanted = picture.stored.upright
    if wanted != size:
        fits = same_aspect(wanted, size)
        note = f"{size[1]} x {size[0]}, its image {wanted[1]} x {wanted[0]}"
        findings.add("truth size" if fits else "truth aspect", name, note)
