"""The photos that a bundle is adapted to, in memory, and what speaks against them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.grounding.placement import Canvas
from selcon_ros.core.grounding.preprocess import fitted
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES, pictures_below
from selcon_ros.core.text import quoted
from selcon_training.adapt.shapes import Labelled, Size
from selcon_training.data.augmenting import Loaded
from selcon_training.data.images import U8, read_picture
from selcon_training.data.listing import MAX_FILES_SHOWN
from selcon_training.data.ordering import Stream, generator
from selcon_training.data.pairs import stored_as
from selcon_training.data.transforms import resize
from selcon_training.data.truth_maps import BLUR_WIDTH
from selcon_training.errors import AdaptError, DataError

MIN_PHOTOS, MAX_PHOTOS, ADVISED_PHOTOS = 4, 100, 8
"""Photos: below the first nothing is learnt that holds, above the second `selcon train` is the way."""
SIZE_FACTOR = 2.0
"""Photos are kept at this multiple of the network's input: parts of them are shown enlarged."""
MAX_MASK_SHARE = 0.9
"""A mask of a larger share of its photo marks no part."""


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo as the robot would bring it to the network (`seen`), and as training needs it.

    `masks`: parts by action at the kept size; `known`: the actions whose parts are all marked, None for
    all; `object`: photos of one are held out together.
    """

    name: str
    object: str
    seen: U8
    shape: Size
    loaded: Loaded
    masks: dict[int, NDArray[np.bool_]]
    known: tuple[int, ...] | None


@dataclass(frozen=True)
class PhotoSet:
    """All photos, the negative pictures, and the labels (with their counts) that are no action."""

    layout: str
    photos: list[MaskedPhoto]
    negatives: list[MaskedPhoto] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    @property
    def actions(self) -> list[int]:
        """The actions that some photo has a mask for."""
        return sorted({action for photo in self.photos for action in photo.masks})


def truth_of(mask: NDArray[np.bool_]) -> U8:
    """A mask blurred as AGD20K's truth is, scaled to 0..255."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(BLUR_WIDTH * mask.shape[1], 0.5))
    return np.asarray(np.rint(255.0 * blurred / max(float(blurred.max()), 1e-6)), np.uint8)


def make_photo_set(
    layout: str,
    labelled: Sequence[Labelled],
    negatives: Sequence[Path],
    actions: Sequence[str],
    canvas: Canvas,
    sharp: bool = False,
    objects: str | None = None,
    progress: Callable[[Sequence[Any]], Iterable[Any]] = list,
) -> PhotoSet:
    """Read the photos; `sharp`: training's truth is the part itself. `objects`: a regular expression
    whose first group tells in a photo's path which object it shows. Raises AdaptError for what would not
    help (too few photos or too many, no mask where one should be, masks of nearly the whole photo), DataError
    for broken files.
    """
    matched, ignored = _matches(labelled, actions)
    _check_count(len(labelled))
    _check_missing(labelled, matched)
    drawn = sorted({matched[label] for each in labelled for label in each.shapes if label in matched})
    names = _names([each.path for each in labelled])
    photos = [
        _photo(each, name, matched, drawn, canvas, sharp, _object(each.path, objects))
        for each, name in zip(progress(labelled), names, strict=True)
    ]
    _check_masks(photos, actions)
    empty = [
        _kept(path, f"negative/{name}", "", canvas, {}, {}, None)
        for path, name in zip(negatives, _names(negatives), strict=True)
    ]
    return PhotoSet(layout, photos, empty, ignored)


def negative_pictures(folder: Path | None) -> list[Path]:
    """The pictures of a folder of negatives, at most MAX_PHOTOS. Raises DataError."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise DataError(f"--negatives {folder} is not a folder: give one with photos that afford no action")
    found = pictures_below(folder)
    if not found:
        raise DataError(f"--negatives {folder} holds no photo ({', '.join(IMAGE_SUFFIXES)})")
    if len(found) > MAX_PHOTOS:
        raise AdaptError(f"--negatives {folder} holds {len(found)} photos: give at most {MAX_PHOTOS} of them")
    return found


def folds(photos: Sequence[MaskedPhoto], count: int, seed: int) -> list[list[int]]:
    """The photos' indices in at most `count` parts of about one size, those of one object in one part."""
    objects: dict[str, list[int]] = {}
    for index, photo in enumerate(photos):
        objects.setdefault(photo.object, []).append(index)
    named = sorted(objects)
    order = generator(seed, Stream.ADAPT_FOLDS).permutation(len(named))
    # Larger objects first, each to the part that has least.
    ranked = sorted((objects[named[place]] for place in order), key=len, reverse=True)
    parts: list[list[int]] = [[] for _ in range(min(count, len(ranked)))]
    for members in ranked:
        min(parts, key=len).extend(members)
    return [sorted(part) for part in parts]


def _matches(labelled: Sequence[Labelled], actions: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """The number of the action that each label means, and how often each label that means none occurs."""
    counts = Counter(label for each in labelled for label in each.shapes)
    matched, ignored, reasons = {}, {}, []
    for label in sorted(counts):
        try:
            matched[label] = list(actions).index(match_action(label, actions))
        except UnknownActionError as error:
            ignored[label] = counts[label]
            reasons.append(str(error))
    if not matched:
        reason = reasons[0] if reasons else f"the bundle knows: {', '.join(actions)}"
        raise AdaptError(f"no label is an action of the bundle: {reason}. Label parts with these names")
    return matched, ignored


def _check_count(count: int) -> None:
    if count < MIN_PHOTOS:
        raise AdaptError(
            f"{count} photos with masks are too few: give {ADVISED_PHOTOS} or more, of other places and "
            f"views (at least {MIN_PHOTOS})"
        )
    if count > MAX_PHOTOS:
        raise AdaptError(
            f"{count} photos are more than the {MAX_PHOTOS} that `selcon adapt` takes: give some of them, or "
            "use `selcon train` with all of them in data.mix"
        )


def _check_missing(labelled: Sequence[Labelled], matched: dict[str, int]) -> None:
    bare = [each.path for each in labelled if not any(label in matched for label in each.shapes)]
    if bare:
        raise AdaptError(
            f"{len(bare)} photos have no mask of an action ({_list(map(str, bare))}): draw the parts, take "
            "the photos away, or give them with --negatives if they show nothing that affords an action"
        )
    missing = [
        f"{label} on {each.path}"
        for each in labelled
        for label, shapes in each.shapes.items()
        if label in matched and not shapes
    ]
    if missing:
        raise AdaptError(
            f"{len(missing)} masks are missing ({_list(missing)}): add them in mask/ or GT/ under the "
            "photo's name, or take the photo out of that action's folder"
        )


def _check_masks(photos: Sequence[MaskedPhoto], actions: Sequence[str]) -> None:
    every = [(photo, action, mask) for photo in photos for action, mask in photo.masks.items()]
    whole = [
        f"{actions[action]} on {photo.name}" for photo, action, mask in every if mask.mean() > MAX_MASK_SHARE
    ]
    empty = [f"{actions[action]} on {photo.name}" for photo, action, mask in every if not mask.any()]
    if whole:
        raise AdaptError(
            f"{len(whole)} masks cover the whole photo ({_list(whole)}): mark only the part that affords the "
            "action, such as the handle for hold"
        )
    if empty:
        raise AdaptError(
            f"{len(empty)} masks mark nothing that the network can see ({_list(empty)}): draw them anew, or "
            "go closer"
        )


def _object(path: Path, pattern: str | None) -> str:
    """The object that a photo shows by its path, "" if there is nothing to tell. Raises AdaptError."""
    if pattern is None:
        return ""
    found = re.search(pattern, path.as_posix())
    if found is None or not found.groups() or not found[1]:
        raise AdaptError(
            f"--objects {pattern} tells no object in {path}: give an expression with a group, such as "
            r"'([^/_]+)_\d+\.jpg$'"
        )
    return found[1]


def _photo(
    each: Labelled,
    name: str,
    matched: dict[str, int],
    drawn: list[int],
    canvas: Canvas,
    sharp: bool,
    thing: str,
) -> MaskedPhoto:
    size = stored_as(each.path).upright
    kept = _kept_size(size, canvas)
    masks: dict[int, NDArray[np.bool_]] = {}
    truths: dict[int, U8] = {}
    for label, shapes in each.shapes.items():
        if label not in matched:
            continue
        action = matched[label]
        mask = np.logical_or.reduce([shape.raster(size, kept) for shape in shapes])
        masks[action] = mask | masks[action] if action in masks else mask
        if each.truths is not None and label in each.truths and not sharp:
            truths[action] = resize(each.truths[label](), kept)
    for action, mask in masks.items():
        truths.setdefault(action, mask.astype(np.uint8) * np.uint8(255) if sharp else truth_of(mask))
    known = tuple(drawn) if each.complete else tuple(masks)
    return _kept(each.path, name, thing, canvas, masks, truths, known)


def _kept(
    path: Path,
    name: str,
    thing: str,
    canvas: Canvas,
    masks: dict[int, NDArray[np.bool_]],
    truths: dict[int, U8],
    known: tuple[int, ...] | None,
) -> MaskedPhoto:
    picture = read_picture(path)
    shape = (picture.shape[0], picture.shape[1])
    loaded = Loaded(resize(picture, _kept_size(shape, canvas)), shape, truths)
    return MaskedPhoto(name, thing or name, fitted(picture, canvas), shape, loaded, masks, known)


def _kept_size(size: Size, canvas: Canvas) -> Size:
    """A picture's size within SIZE_FACTOR times the network's input; never enlarged."""
    within = tuple(SIZE_FACTOR * side for side in canvas.input_size)
    scale = min(1.0, max(within[0] / size[0], within[1] / size[1]) if canvas.fit == "stretch" else
                min(within[0] / size[0], within[1] / size[1]))  # fmt: skip
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names that differ: file names, with folders where those occur twice."""
    counts = Counter(path.name for path in paths)
    return [path.name if counts[path.name] == 1 else "/".join(path.parts[-3:]) for path in paths]


def _list(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - MAX_FILES_SHOWN} more" if len(every) > MAX_FILES_SHOWN else ""
    return ", ".join(quoted(text, 120) for text in every[:MAX_FILES_SHOWN]) + more
