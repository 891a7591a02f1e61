"""Check a whole data set: count its files, decode every one, and say what would stop or spoil training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_training.data.agd20k import DIVIDES, DataSet, by_folder, check_actions, open_dataset
from selcon_training.data.check_maps import check_maps
from selcon_training.data.check_report import EVALUATION_SPLITS, CheckedSplit, Count, Problems, Report
from selcon_training.data.examine import FileFacts, Role, examine_all
from selcon_training.data.listing import (
    SYSTEM_FILES,
    Item,
    SortedFiles,
    folders_in,
    suffix_counts,
    survey,
)
from selcon_training.data.published_sets import CLASS_LISTS, PUBLISHED, PublishedSet, recognise
from selcon_training.data.truth_maps import FOLDER_KINDS, WEAK_PEAK
from selcon_training.errors import DataError

VIEWS = ("egocentric", "exocentric")
TRAIN_SPLIT = "trainset"

Progress = Callable[[Iterator[FileFacts], int], Iterator[FileFacts]]


def check(
    root: Path,
    divide: str | None = None,
    actions: str | Sequence[str] | None = None,
    skip: Path | None = None,
    threads: int | None = None,
    progress: Progress = lambda facts, total: facts,
) -> list[Report]:
    """Check the data set in `root`: one divide, or without `divide` all that it has.

    `actions` and `skip` are as in a configuration. Raises DataError where there is no data set at all.
    """
    present: list[str | None] = [name for name in DIVIDES if (root / name).is_dir()]
    divides = [divide] if divide is not None or not present else present
    sets = [open_dataset(root, name, skip) for name in divides]
    return [
        _check_one(data, name, actions, threads, progress) for data, name in zip(sets, divides, strict=True)
    ]


def _check_one(
    data: DataSet,
    divide: str | None,
    wanted: str | Sequence[str] | None,
    threads: int | None,
    progress: Progress,
) -> Report:
    findings = Problems()
    splits = _splits(data, findings)
    actions = _actions(data, splits, wanted)
    published = _published(data, actions, wanted, findings)
    counts = _counts(data, splits, published, findings)
    _check_folders(data, splits, actions, findings)
    files: list[tuple[Path, Role]] = []
    for split in splits:
        files += [(item.path, "picture") for items in split.images.values() for item in items]
        for kind, items in split.maps.items():
            files += [(item.path, "truth" if kind in FOLDER_KINDS else "map") for item in items]
    examined = progress(examine_all(files, threads), len(files))
    facts = {path: fact for (path, _), fact in zip(files, examined, strict=True)}
    _check_files(data, files, facts, findings)
    check_maps(data, splits, facts, findings)
    _check_copies(data, splits, facts, findings)
    return Report(
        root=str(data.root),
        divide=divide,
        recognised=None if published is None else published.title,
        actions=actions,
        skipped=tuple(sorted(data.skip)),
        counts=tuple(counts),
        findings={kind: tuple(places) for kind, places in findings.items()},
    )


def _splits(data: DataSet, findings: Problems) -> list[CheckedSplit]:
    folders = [path for path in folders_in(data.base) if any((path / view).is_dir() for view in VIEWS)]
    if not folders:
        raise DataError(
            f"{data.base} holds no split: expected trainset/{{exocentric,egocentric}}/<action>/<object>/"
            "<image>.jpg, and testset/{egocentric,GT}"
        )
    splits = []
    for folder in folders:
        split = CheckedSplit(folder.name)
        dropped: set[str] = set()
        for view in VIEWS:
            if not data.has(folder.name, view):
                continue
            everything, files = survey(folder / view)
            try:
                kept = data.listed(folder.name, view)
            except DataError as error:
                findings.add("missing", data.relative(folder / view), str(error))
                kept = []
            split.images[view] = kept
            names = {item.name for item in kept}
            if view == "egocentric":
                dropped = {item.name for item in everything if item.name not in names}
            _check_strays(data, folder / view, everything, findings)
            _check_other_files(data, folder / view, files, findings)
        for kind in folders_in(folder):
            if kind.name not in VIEWS:
                found, files = survey(kind)
                items = [
                    item
                    for item in found
                    if data.relative(item.path) not in data.skip and item.name not in dropped
                ]
                if items:
                    split.maps[kind.name] = items
                if items or kind.name in FOLDER_KINDS:
                    _check_other_files(data, kind, files, findings)
                if kind.name == "GT":
                    split.unread_truth = [*files.unread, *files.special]
        splits.append(split)
    return splits


def _check_strays(data: DataSet, folder: Path, items: Sequence[Item], findings: Problems) -> None:
    listed = {item.path for item in items}
    filled = {item.path.parent for item in items}
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or path.name in SYSTEM_FILES:
            continue
        if path.is_file() and path not in listed:
            findings.add("ignored", data.relative(path))
        elif path.is_dir() and path not in filled and not any(path in other.parents for other in filled):
            findings.add("empty folder", data.relative(path))


def _check_other_files(data: DataSet, folder: Path, files: SortedFiles, findings: Problems) -> None:
    for path in files.special:
        findings.add("special", data.relative(path))
    if files.unread:
        total = len(files.images) + len(files.unread)
        note = f"{suffix_counts(files.unread)}, of {total} files; read are {', '.join(IMAGE_SUFFIXES)}"
        findings.add("not read", data.relative(folder), note)


def _actions(
    data: DataSet, splits: Sequence[CheckedSplit], wanted: str | Sequence[str] | None
) -> tuple[str, ...]:
    if wanted is not None or data.actions:
        return data.class_list(wanted)
    in_splits = {split.name: {i.action for items in split.images.values() for i in items} for split in splits}
    found = in_splits.get(TRAIN_SPLIT) or set().union(*in_splits.values())
    return tuple(sorted(found))


def _published(
    data: DataSet, actions: Sequence[str], wanted: str | Sequence[str] | None, findings: Problems
) -> PublishedSet | None:
    if isinstance(wanted, str) and wanted in CLASS_LISTS:
        return next(known for known in PUBLISHED if known.actions == wanted)
    published = None if data.actions else recognise(actions)
    if published is not None and (other := set(CLASS_LISTS[published.actions]) ^ set(actions)):
        note = f"nearly {published.title}'s, but for {', '.join(sorted(other))}"
        findings.add("other actions", data.relative(data.base), note)
    return published


def _counts(
    data: DataSet, splits: Sequence[CheckedSplit], published: PublishedSet | None, findings: Problems
) -> list[Count]:
    have = {
        (split.name, kind): len(items)
        for split in splits
        for kind, items in {**split.images, **split.maps}.items()
    }
    known = {} if published is None else published.files
    places = [*known, *sorted(set(have) - set(known))]
    counts = [Count(*place, have.get(place, 0), known.get(place)) for place in places]
    for count in counts:
        if count.difference:
            more = f"{abs(count.difference)} {'more' if count.difference > 0 else 'fewer'}"
            name = data.relative(data.base / count.split / count.kind)
            findings.add("count", name, f"{count.files} files, {more} than the published {count.published}")
    return counts


def _check_folders(
    data: DataSet, splits: Sequence[CheckedSplit], actions: Sequence[str], findings: Problems
) -> None:
    training = [split for split in splits if split.name not in EVALUATION_SPLITS]
    if not training:
        findings.add("no training", data.relative(data.base))
    elif not any(split.images.get("exocentric") or split.maps.get("GT") for split in training):
        findings.add(
            "missing",
            data.relative(data.base / training[0].name),
            "neither exocentric images (weak training) nor GT (dense training)",
        )
    for split in splits:
        items = [item for view in split.images.values() for item in view]
        folder = data.relative(data.base / split.name)
        try:
            check_actions(items, actions, folder, complete=split.name == TRAIN_SPLIT)
        except DataError as error:
            findings.add("class list", folder, str(error))
        if split.images.get("exocentric"):
            ego, exo = by_folder(split.images.get("egocentric", [])), by_folder(split.images["exocentric"])
            for action, thing in sorted(exo.keys() - ego.keys()):
                findings.add("no ego", f"{folder}/exocentric/{action}/{thing}")
            for action, thing in sorted(ego.keys() - exo.keys()):
                findings.add("no exo", f"{folder}/egocentric/{action}/{thing}")
            for (action, thing), images in exo.items():
                if len(images) == 1:
                    findings.add("one exo", f"{folder}/exocentric/{action}/{thing}")


def _check_files(
    data: DataSet, files: Sequence[tuple[Path, Role]], facts: dict[Path, FileFacts], findings: Problems
) -> None:
    for path, role in files:
        fact, name = facts[path], data.relative(path)
        if fact.error is not None:
            findings.add("unreadable", name, fact.error)
            continue
        if fact.complaint is not None:
            findings.add("damaged", name, fact.complaint)
        if fact.oddities:
            findings.add("format", name, ", ".join(fact.oddities))
        if fact.unclear is not None:
            findings.add("truth values", name, fact.unclear)
        elif role == "truth":
            _check_truth(fact, name, "/GT/" in name, findings)


def _check_truth(fact: FileFacts, name: str, graded: bool, findings: Problems) -> None:
    if fact.note:
        findings.add("read as", name, fact.note)
    if graded and fact.peak == 0:
        findings.add("all zero", name)
    elif 0 < fact.peak < WEAK_PEAK:
        findings.add("weak truth", name, f"up to {fact.peak} of 255")


def _check_copies(
    data: DataSet, splits: Sequence[CheckedSplit], facts: dict[Path, FileFacts], findings: Problems
) -> None:
    measured: dict[bytes, Path] = {}
    for split in splits:
        if split.name in EVALUATION_SPLITS:
            for items in split.images.values():
                for item in items:
                    measured.setdefault(facts[item.path].digest, item.path)
    for split in splits:
        first: dict[bytes, Item] = {}
        for item in (item for items in split.images.values() for item in items):
            digest = facts[item.path].digest
            if facts[item.path].error is not None:
                continue
            if split.name not in EVALUATION_SPLITS and digest in measured:
                findings.add("leak", data.relative(item.path), f"same as {data.relative(measured[digest])}")
            other = first.setdefault(digest, item)
            if other is not item:
                kind = "duplicate" if other.path.parent == item.path.parent else "repeated"
                findings.add(kind, data.relative(item.path), f"same as {data.relative(other.path)}")
