"""Where the files of a data set in the AGD20K layout lie: splits, images, ground truth and the extras of
rendered sets.

`ROOT/[Seen|Unseen/]<split>/{exocentric,egocentric}/<action>/<object>/<stem>.jpg` with ground truth in
`<split>/GT/<action>/<object>/<stem>.png`; every image may have any suffix of IMAGE_SUFFIXES. HICO-IIF has
no Seen/Unseen level. A rendered set adds `dataset.json` in ROOT and the folders mask, depth, camera,
objectmask and {egocentric,exocentric}_parts beside GT.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_training.data.listing import Item, SortedFiles, by_stem, suffix_counts, survey
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.data.text_lists import checked_actions, read_actions, read_skip
from selcon_training.data.truncation import refuse_truncated
from selcon_training.errors import DataError

DIVIDES = ("Seen", "Unseen")
TEST_SPLITS = frozenset({"testset", "nothingset", "clutterset"})
"""Folders of pictures that may decide nothing."""


def in_test_splits(path: Path) -> list[str]:
    """The test splits that a picture lies in, by its path as given and where links lead."""
    return sorted(TEST_SPLITS & {*path.absolute().parts, *path.resolve().parts})


@dataclass(frozen=True)
class DataSet:
    """A data set on disk. `base` is the folder that holds the splits (ROOT/Seen, ROOT/Unseen, or ROOT
    itself)."""

    root: Path
    base: Path
    name: str
    actions: tuple[str, ...] | None = None
    exhaustive_truth: bool = False
    synthetic: bool = False
    skip: frozenset[str] = frozenset()
    """Files to leave out, as paths from `root` with forward slashes."""
    peaks: dict[Path, int] = field(default_factory=dict, compare=False, repr=False)
    """Truth maps that were decoded once and found clear (see `dense_items`), and their largest values."""
    _sound: dict[tuple[str, str], list[Item]] = field(default_factory=dict, compare=False, repr=False)
    _files: dict[Path, dict[str, SortedFiles]] = field(default_factory=dict, compare=False, repr=False)

    def has(self, split: str, view: str = "egocentric") -> bool:
        """Whether the split has this view's folder."""
        return (self.base / split / view).is_dir()

    def items(self, split: str, view: str = "egocentric") -> list[Item]:
        """`listed`, and none of them is cut short (see `refuse_truncated`). Raises DataError."""
        key = (split, view)
        if key not in self._sound:
            items = self.listed(split, view)
            refuse_truncated([item.path for item in items], self.root)
            self._sound[key] = items
        return self._sound[key]

    def listed(self, split: str, view: str = "egocentric") -> list[Item]:
        """All images of a split but those to skip, sorted bytewise by action, object and file name.

        An image is skipped when it or its truth map is named in `skip`; with exhaustive truth so is every
        copy of that picture, since a missing map would mean that the action does not occur. Raises DataError
        if there are none.
        """
        folder = self.base / split / view
        items = list_items(folder)
        if not self.skip:
            return items

        def named(item: Item) -> bool:
            truths = self._beside(split, "GT", item).images if view == "egocentric" else []
            skipped = [self.relative(truth) in self.skip for truth in truths]
            return self.relative(item.path) in self.skip or (bool(skipped) and all(skipped))

        left_out = [item for item in items if named(item)]
        if self.exhaustive_truth:
            stems = {item.stem for item in left_out}
            kept = [item for item in items if item.stem not in stems]
        else:
            paths = {item.path for item in left_out}
            kept = [item for item in items if item.path not in paths]
        if not kept:
            raise DataError(f"folder {folder}: every image is on the skip list")
        return kept

    def extra(self, split: str, kind: str, item: Item) -> Path | None:
        """The image file of this kind (GT, mask, depth, objectmask, ...) that belongs to an image, if there
        is one that is not to be skipped. Raises DataError for two."""
        found = [
            path for path in self._beside(split, kind, item).images if self.relative(path) not in self.skip
        ]
        if len(found) > 1:
            raise DataError(
                f"{item.path} has two files in {kind}, {found[0].name} and {found[1].name}, in "
                f"{found[0].parent}: remove one, or name it in data.skip"
            )
        return found[0] if found else None

    def camera(self, split: str, item: Item) -> Path | None:
        """The camera file (JSON) that belongs to an image, if there is one."""
        path = self.base / split / "camera" / item.action / item.object / f"{item.stem}.json"
        return path if path.is_file() else None

    def not_read(self, split: str, kind: str, item: Item) -> Path | None:
        """A file of this kind that would belong to an image, but is in a format that is not read or is no
        plain file."""
        beside = self._beside(split, kind, item)
        return next(iter([*beside.unread, *beside.special]), None)

    def _beside(self, split: str, kind: str, item: Item) -> SortedFiles:
        """The files of an image's stem in another kind's folder, which is listed once."""
        folder = self.base / split / kind / item.action / item.object
        if folder not in self._files:
            self._files[folder] = by_stem(folder) if folder.is_dir() else {}
        return self._files[folder].get(item.stem, SortedFiles())

    def relative(self, path: Path) -> str:
        """A file's path from `root` with forward slashes: its name in skip lists, reports and
        fingerprints."""
        return path.relative_to(self.root).as_posix()

    def class_list(self, wanted: str | Sequence[str] | None) -> tuple[str, ...]:
        """The actions in label order: those wanted, else dataset.json's, else the training folders'.

        `wanted` is a published list's name, a text file (see `read_actions`) or the actions themselves.
        Raises DataError for a name that is neither, an empty list and an action that comes twice.
        """
        if isinstance(wanted, str):
            known = CLASS_LISTS.get(wanted)
            return known if known is not None else read_actions(user_path(wanted, DataError))
        if wanted is not None:
            return checked_actions(wanted, "actions")
        if self.actions:
            return self.actions
        return tuple(sorted({item.action for item in self.listed("trainset")}, key=os.fsencode))


def open_dataset(root: Path | str, divide: str | None = None, skip: Path | None = None) -> DataSet:
    """Find the splits under `root`; `divide` is Seen, Unseen or, for sets without that level, None.

    With None a root that has the level is an error naming the choices. `skip` is a text file that names
    files to leave out (see `read_skip`). Raises DataError.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(
            f"data folder {root} does not exist: give the folder that holds Seen/, Unseen/ or trainset/"
        )
    present = [name for name in DIVIDES if (root / name).is_dir()]
    if divide is None:
        if present:
            raise DataError(f"{root} holds {' and '.join(present)}: say which with divide (--divide)")
        base = root
    elif divide in present:
        base = root / divide
    else:
        held = ", ".join(present) if present else "neither Seen nor Unseen"
        raise DataError(f"divide {divide!r} not found in {root}, which holds {held}")
    described = _describe(root)
    return DataSet(
        root=root,
        base=base,
        name=str(described.get("name", root.name)),
        actions=tuple(described["actions"]) if "actions" in described else None,
        exhaustive_truth=described.get("exhaustive_truth") is True,
        synthetic=described.get("synthetic") is True,
        skip=frozenset() if skip is None else read_skip(skip, root),
    )


def check_actions(items: Iterable[Item], actions: Sequence[str], where: str, *, complete: bool) -> None:
    """Raise DataError unless the items' actions are in the class list (and, if `complete`, all of it)."""
    found = {item.action for item in items}
    unknown = sorted(found - set(actions))
    missing = sorted(set(actions) - found) if complete else []
    problems = []
    if unknown:
        problems.append(f"folders that are not in the class list: {', '.join(unknown)}")
    if missing:
        problems.append(f"actions of the class list without a folder: {', '.join(missing)}")
    if problems:
        raise DataError(
            f"class list mismatch in {where}: {'; '.join(problems)}. Class list: {', '.join(actions)}"
        )


def by_folder(items: Iterable[Item]) -> dict[tuple[str, str], list[Item]]:
    """Group items by (action, object), keeping their order."""
    folders: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        folders.setdefault((item.action, item.object), []).append(item)
    return folders


def list_items(folder: Path) -> list[Item]:
    """The images in `folder/<action>/<object>/`, in bytewise order. Raises DataError if the folder is
    missing or holds none."""
    if not folder.is_dir():
        raise DataError(f"folder {folder} is missing: expected <action>/<object>/<image>.jpg in it")
    items, files = survey(folder)
    if not items:
        other = f", but {suffix_counts(files.unread)}, which are not read: convert them"
        raise DataError(
            f"folder {folder} holds no image ({', '.join(IMAGE_SUFFIXES)}) as <action>/<object>/<image>"
            + (other if files.unread else "")
        )
    return items


def _describe(root: Path) -> dict[str, Any]:
    path = root / "dataset.json"
    if not os.path.lexists(path):
        return {}
    described = read_object(path, DataError)
    actions = described.get("actions")
    if actions is None:
        described.pop("actions", None)
    elif isinstance(actions, list) and all(isinstance(action, str) for action in actions):
        checked_actions(actions, f"{path}: actions")
    else:
        raise DataError(f"{path}: actions must be a list of names, found {actions!r}")
    return described
