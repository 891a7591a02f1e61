"""Cross-validation: which photos are held out together."""

from __future__ import annotations

from collections.abc import Sequence

from selcon_training.adapt.album import Photo
from selcon_training.data.ordering import Stream, generator


def folds(photos: Sequence[Photo], count: int, seed: int) -> list[list[int]]:
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
