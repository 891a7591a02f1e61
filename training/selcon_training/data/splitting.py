"""Divide a data set into training and test pictures: each object on one side, every action on both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.files.atomic_write import making_folder
from selcon_ros.core.files.plain_file import read_bytes
from selcon_training.data.agd20k import DataSet
from selcon_training.data.listing import Item, files_in, find_items, folders_in
from selcon_training.data.ordering import Stream, generator
from selcon_training.data.pictures import all_pictures
from selcon_training.errors import DataError

TRAINING, TEST, NEGATIVES, NEGATIVE_TEST = "trainset", "testset", "negatives", "nothingset"
UNNAMED = "unnamed"
"""The object folder of a photo whose object nobody has named. Photos of nothing in it are each for itself."""
NOTHING = "(nothing)"
"""Stands for an action in the counts: pictures that show nothing for any action."""


@dataclass
class Group:
    """Pictures that stay together: of one object, one picture, or one content."""

    items: list[Item] = field(default_factory=list)
    negatives: list[Path] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Pictures by action."""
        found: dict[str, int] = {}
        for item in self.items:
            found[item.action] = found.get(item.action, 0) + 1
        return found | ({NOTHING: len(self.negatives)} if self.negatives else {})


@dataclass(frozen=True)
class Division:
    """The two sides, and by action (training groups, training pictures, test groups, test pictures)."""

    training: list[Group]
    test: list[Group]

    def table(self) -> dict[str, tuple[int, int, int, int]]:
        """Counts by action, sorted, NOTHING last."""
        sides = [[group.counts() for group in side] for side in (self.training, self.test)]
        names = {name for side in sides for counts in side for name in counts}
        rows = {}
        for name in sorted(names, key=lambda name: (name == NOTHING, name)):
            numbers = [[counts[name] for counts in side if name in counts] for side in sides]
            rows[name] = (len(numbers[0]), sum(numbers[0]), len(numbers[1]), sum(numbers[1]))
        return rows

    def one_sided(self) -> list[str]:
        """The actions of which one side has no picture."""
        return [name for name, row in self.table().items() if not row[0] or not row[2]]


def divide(data: DataSet, share: float, seed: int, objects: str | None = None) -> Division:
    """Divide trainset (and the folder negatives) so that about `share` of every action's pictures are to
    test on.

    Pictures of one object folder stay together, or with `objects`, a regular expression, those in whose paths
    its first group is the same text. The same data, share and seed give the same division. Raises DataError
    where there is only one group.
    """
    groups = _groups(data, objects)
    if len(groups) < 2:
        raise DataError(
            f"all pictures in {data.base / TRAINING} are of one object: name the objects, put them into "
            "folders of their own, or tell them apart by their paths with --objects, a regular expression"
        )
    chosen = _chosen([group.counts() for group in groups], share, seed)
    sides: tuple[list[Group], list[Group]] = ([], [])
    for group, is_test in zip(groups, chosen, strict=True):
        sides[bool(is_test)].append(group)
    return Division(*sides)


def write(data: DataSet, division: Division, out: Path) -> None:
    """Make the data set `out` with trainset and testset, and negatives and nothingset where there are some.

    Files are linked where the file system can, or else copied. Raises DataError where `out` is not empty,
    OSError.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already: give another --out, or remove it")
    if data.root.resolve() in out.resolve().parents:
        raise DataError(f"--out {out} lies in the data set that is divided: give one outside of it")
    split = data.base / TRAINING
    test_actions = sorted({item.action for group in division.test for item in group.items})
    with making_folder(out) as fresh:
        if (data.root / "dataset.json").is_file():
            _copy(data.root / "dataset.json", fresh / "dataset.json")
        for name, groups in ((TRAINING, division.training), (TEST, division.test)):
            items = [item for group in groups for item in group.items]
            for kind in folders_in(split):
                if kind.name != "exocentric":
                    _link_kind(kind, fresh / name / kind.name, items)
        kept = {(item.action, item.object) for group in division.training for item in group.items}
        if data.has(TRAINING, "exocentric"):
            for item in find_items(split / "exocentric"):
                if (item.action, item.object) in kept:
                    _link(item.path, fresh / TRAINING / item.path.relative_to(split))
        negatives = data.base / NEGATIVES
        for group in division.training:
            for path in group.negatives:
                _link(path, fresh / NEGATIVES / path.relative_to(negatives))
        for group in division.test:
            for path in group.negatives:
                for action in test_actions:
                    place = Path(NEGATIVE_TEST, "egocentric", action, path.parent.name, path.name)
                    _link(path, fresh / place)


def _groups(data: DataSet, objects: str | None) -> list[Group]:
    """The groups, in the order of their first pictures."""
    if any(data.has(split) for split in (TEST, "valset")):
        raise DataError(f"{data.base} is divided already: it has {TEST} or valset")
    union = _Union()
    items = data.items(TRAINING)
    for item in items:
        thing = _object(item.path, item.object, objects)
        picture = item.stem if data.exhaustive_truth else item.name
        own: list[object] = [("object", thing), ("picture", picture), ("content", _mark(item.path))]
        union.join(("item", item.path), own)
    folder = data.base / NEGATIVES
    negatives = all_pictures(folder, NEGATIVES) if folder.is_dir() else []
    for path in negatives:
        named = path.parent != folder and (objects is not None or path.parent.name != UNNAMED)
        thing = _object(path, path.parent.name, objects) if named else path.stem
        union.join(("item", path), [("object", thing), ("content", _mark(path))])
    groups: dict[object, Group] = {}
    for item in items:
        groups.setdefault(union.root(("item", item.path)), Group()).items.append(item)
    for path in negatives:
        groups.setdefault(union.root(("item", path)), Group()).negatives.append(path)
    return list(groups.values())


def _object(path: Path, folder: str, pattern: str | None) -> str:
    if pattern is None:
        return folder
    found = re.search(pattern, path.as_posix())
    if found is None or not found[1]:
        raise DataError(f"--objects {pattern} tells no object in {path}: see that its group fits every path")
    return str(found[1])


def _mark(path: Path) -> str:
    return sha256(read_bytes(path, DataError)).hexdigest()


class _Union:
    """Things that belong together, directly or by others."""

    def __init__(self) -> None:
        self._above: dict[object, object] = {}

    def root(self, thing: object) -> object:
        while (above := self._above.setdefault(thing, thing)) != thing:
            self._above[thing] = self._above[above]
            thing = above
        return thing

    def join(self, first: object, others: Iterable[object]) -> None:
        for other in others:
            self._above[self.root(other)] = self.root(first)


def _chosen(counts: Iterable[Mapping[str, int]], share: float, seed: int) -> NDArray[np.bool_]:
    """Which groups are to test on: from a random choice, one after another changes sides as long as the
    shares come closer to what is wanted."""
    listed = list(counts)
    names = sorted({name for each in listed for name in each})
    table = np.array([[each.get(name, 0) for name in names] for each in listed], float)
    table = np.hstack([table, table.sum(axis=1, keepdims=True)])
    of_groups = table > 0
    shares = table / table.sum(axis=0)
    chosen = generator(seed, Stream.DIVISION).random(len(listed)) < share

    def cost(test: NDArray[np.float64], groups: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the shares and the numbers of groups to test on, ... x actions."""
        every = of_groups.sum(axis=0)
        one_sided = ((groups == 0) | (groups == every)) & (every > 1)
        return np.asarray(((test - share) ** 2 + one_sided).sum(axis=-1))

    best = np.inf
    while True:
        sign = np.where(chosen, -1.0, 1.0)[:, None]
        after = cost(
            shares[chosen].sum(axis=0) + sign * shares, of_groups[chosen].sum(axis=0) + sign * of_groups
        )
        best = min(best, float(cost(shares[chosen].sum(axis=0), of_groups[chosen].sum(axis=0))))
        place = int(after.argmin())
        if after[place] >= best - 1e-12:
            return chosen
        chosen[place] = not chosen[place]


def _link_kind(kind: Path, place: Path, items: Iterable[Item]) -> None:
    """Link the files of a kind's folder that belong to these pictures."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for item in items:
        wanted.setdefault((item.action, item.object), set()).add(item.stem)
    for (action, thing), stems in wanted.items():
        folder = kind / action / thing
        if not folder.is_dir():
            continue
        for path in _all_files(folder):
            if path.stem in stems:
                _link(path, place / action / thing / path.name)


def _all_files(folder: Path) -> list[Path]:
    files = files_in(folder)
    notes = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".json" and path.is_file()]
    return [*files.images, *files.unread, *notes]


def _link(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), place)
    except OSError:
        _copy(source, place)


def _copy(source: Path, place: Path) -> None:
    """Copy a file. Raises DataError about its source, OSError about its place: shutil's names the source."""
    place.write_bytes(read_bytes(source, DataError))
