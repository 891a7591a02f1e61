"""Which pictures make a sample: files and folders that the user names, or a data set's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_training.data.agd20k import DataSet, by_folder
from selcon_training.data.listing import Item, files_in
from selcon_training.data.ordering import spread
from selcon_training.errors import DataError
from selcon_training.reporting.trace import TraceSample

EXOCENTRIC_COUNT = 3
"""Exocentric pictures taken of a folder: E of the paper."""


def named_samples(
    images: Sequence[Path], action: str, exo: Sequence[Path], actions: Sequence[str]
) -> list[TraceSample]:
    """One sample per egocentric image, all with the same exocentric pictures.

    A folder in `exo` stands for three of its pictures, evenly spread in the order of their names. Raises
    DataError for a folder without pictures, UnknownActionError for an action that is none of `actions`.
    """
    partners = tuple(file for path in exo for file in _pictures_of(path))
    return [TraceSample(match_action(action, actions), image, partners) for image in images]


def data_samples(
    data: DataSet, split: str, names: Sequence[str], actions: Sequence[str]
) -> list[TraceSample]:
    """The egocentric images of these names (`action/object/stem`) with exocentric ones of their folder.

    Raises DataError for a name that the split does not have.
    """
    items = {item.name: item for item in data.items(split)}
    for name in names:
        if name not in items:
            raise DataError(
                f"{data.base / split / 'egocentric'} has no picture {name!r}: give ACTION/OBJECT/STEM, for "
                f"example {next(iter(items))}"
            )
    return _with_partners(data, split, [items[name] for name in names], actions)


def spread_samples(data: DataSet, split: str, count: int, actions: Sequence[str]) -> list[TraceSample]:
    """At most `count` samples, evenly spread over the actions of a split that have exocentric pictures."""
    folders = by_folder(data.items(split, "exocentric")).keys()
    first: dict[str, Item] = {}
    for item in data.items(split):
        if (item.action, item.object) in folders:
            first.setdefault(item.action, item)
    return _with_partners(data, split, spread(list(first.values()), count), actions)


def _with_partners(
    data: DataSet, split: str, items: Sequence[Item], actions: Sequence[str]
) -> list[TraceSample]:
    found = by_folder(data.items(split, "exocentric")) if data.has(split, "exocentric") else {}
    samples = []
    for item in items:
        partners = spread(found.get((item.action, item.object), []), EXOCENTRIC_COUNT)
        paths = tuple(partner.path for partner in partners)
        samples.append(TraceSample(match_action(item.action, actions), item.path, paths))
    return samples


def _pictures_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = files_in(path).images
    if not files:
        raise DataError(f"folder {path} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    return spread(files, EXOCENTRIC_COUNT)
