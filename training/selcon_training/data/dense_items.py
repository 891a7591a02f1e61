"""Which pictures of a split have truth maps, and what belongs to each: truth, masks and label maps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from selcon_training.data.agd20k import DataSet
from selcon_training.data.ordering import usable_threads
from selcon_training.data.pairs import fitting
from selcon_training.errors import DataError


@dataclass(frozen=True)
class DenseItem:
    """A picture, the truth files of the actions it affords, and which actions' truth is known (None: all).

    `masks`: files of the parts as they are, unblurred; `parts`, `objects`: label maps; where there are
    some.
    """

    name: str
    path: Path
    truths: dict[int, tuple[Path, ...]]
    known: tuple[int, ...] | None
    masks: dict[int, tuple[Path, ...]] = field(default_factory=dict)
    parts: Path | None = None
    objects: Path | None = None


def dense_items(data: DataSet, split: str, actions: Sequence[str]) -> list[DenseItem]:
    """The pictures of a split that have truth maps.

    With exhaustive truth (dataset.json) files of one stem are one picture, and an action without a map does
    not occur in it; otherwise every file is an item of its own and only its own action is known. Every map
    is decoded once, its largest value goes into `data.peaks`. Raises DataError if a split has no truth map
    at all, or one that is broken, unclear or does not fit its picture, holds an action that is not in the
    class list, or two images that one truth map would belong to.
    """
    label = {action: index for index, action in enumerate(actions)}
    pictures: dict[str, Path] = {}
    truths: dict[str, dict[int, list[Path]]] = {}
    masks: dict[str, dict[int, list[Path]]] = {}
    labels: dict[tuple[str, str], Path] = {}
    unknown: set[str] = set()
    for item in data.items(split):
        if item.action not in label:
            unknown.add(item.action)
            continue
        truth = data.extra(split, "GT", item)
        if truth is None and not data.exhaustive_truth:
            continue
        if truth is None and (other := data.not_read(split, "GT", item)):
            raise DataError(
                f"truth map {other} is in a format that is not read, or no plain file, and without it "
                f"{item.path.name} would be taken for one without {item.action}: save it as PNG"
            )
        key = item.stem if data.exhaustive_truth else item.name
        if not data.exhaustive_truth and key in pictures:
            raise DataError(f"{item.path} and {pictures[key].name} have one truth map, {truth}: remove one")
        pictures.setdefault(key, item.path)
        maps = truths.setdefault(key, {})
        if truth is not None:
            maps.setdefault(label[item.action], []).append(truth)
            if (mask := data.extra(split, "mask", item)) is not None:
                masks.setdefault(key, {}).setdefault(label[item.action], []).append(mask)
        for kind in ("parts", "objects"):
            if (path := data.extra(split, f"egocentric_{kind}", item)) is not None:
                labels.setdefault((key, kind), path)
    where = data.base / split
    if unknown:
        raise DataError(
            f"class list mismatch in {where}: {', '.join(sorted(unknown))} not in {', '.join(actions)}"
        )
    if not any(truths.values()):
        raise DataError(
            f"{where / 'GT'} has no truth map for any image: dense training and validation need some"
        )
    items = [
        DenseItem(
            name=key,
            path=pictures[key],
            truths={action: tuple(paths) for action, paths in maps.items()},
            known=None if data.exhaustive_truth else tuple(maps),
            masks={action: tuple(paths) for action, paths in masks.get(key, {}).items()},
            parts=labels.get((key, "parts")),
            objects=labels.get((key, "objects")),
        )
        for key, maps in truths.items()
    ]
    _look_at_truths(data, items)
    return items


def _look_at_truths(data: DataSet, items: Sequence[DenseItem]) -> None:
    """Decode every truth map once, on all cores. Raises DataError naming those that cannot be used."""
    pairs = [
        (path, item.path)
        for item in items
        for paths in item.truths.values()
        for path in paths
        if path not in data.peaks
    ]

    def peak(pair: tuple[Path, Path]) -> int | str:
        try:
            return int(fitting([pair[0]], pair[1]).max())
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(usable_threads()) as pool:
        found = tqdm(pool.map(peak, pairs), total=len(pairs), desc="truth maps", leave=False, disable=None)
        peaks = dict(zip((path for path, _ in pairs), found, strict=True))
    faults = [value for value in peaks.values() if isinstance(value, str)]
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(
            f"{len(faults)} of {len(pairs)} truth maps cannot be used: {'; '.join(faults[:5])}{more}. "
            f"List them with: selcon data check {data.root} --out skip.txt; then mend them, "
            "or leave them out with data.skip: skip.txt"
        )
    data.peaks.update({path: value for path, value in peaks.items() if isinstance(value, int)})
