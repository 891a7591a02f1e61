"""The published data sets: their actions in label order, and how many files others counted in them (method.md
§10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CLASS_LISTS: dict[str, tuple[str, ...]] = {
    "seen": _names(
        "beat boxing brush_with carry catch cut cut_with drag drink_with eat hit hold jump kick lie_on lift "
        "look_out open pack peel pick_up pour push ride sip sit_on stick stir swing take_photo talk_on "
        "text_on throw type_on wash write"
    ),
    "unseen": _names(
        "carry catch cut cut_with drink_with eat hit hold jump kick lie_on open peel pick_up pour push ride "
        "sip sit_on stick swing take_photo throw type_on wash"
    ),
    "hico_iif": _names("cut_with drink_with hold open pour sip stick stir swing type_on"),
}
"""Label order of the published data sets (their folder names, sorted)."""


@dataclass(frozen=True)
class PublishedSet:
    """A published data set: its class list's name, the folders that it has, and their numbers of files."""

    title: str
    actions: str
    files: dict[tuple[str, str], int | None]
    """(split, kind of folder): files, None where nobody has published a count."""


PUBLISHED = (
    PublishedSet(
        "AGD20K Seen",
        "seen",
        {
            ("trainset", "exocentric"): 20_061,
            ("trainset", "egocentric"): 6_929,
            ("testset", "egocentric"): 1_710,
            ("testset", "GT"): 1_675,
        },
    ),
    PublishedSet(
        "AGD20K Unseen",
        "unseen",
        {
            ("trainset", "exocentric"): 13_323,
            ("trainset", "egocentric"): 4_815,
            ("testset", "egocentric"): 1_080,
            ("testset", "GT"): 540,
        },
    ),
    PublishedSet(
        "HICO-IIF",
        "hico_iif",
        {
            ("trainset", "exocentric"): None,
            ("trainset", "egocentric"): None,
            ("testset", "egocentric"): None,
            ("testset", "GT"): None,
        },
    ),
)


MIN_COMMON_SHARE = 0.8
"""Share of common actions from which a set is taken for a published one that is incomplete."""


def recognise(actions: Iterable[str]) -> PublishedSet | None:
    """The published data set with these actions, or nearly so: a folder may be missing."""
    found = set(actions)

    def likeness(known: PublishedSet) -> float:
        listed = set(CLASS_LISTS[known.actions])
        return len(listed & found) / len(listed | found)

    nearest = max(PUBLISHED, key=likeness)
    return nearest if likeness(nearest) >= MIN_COMMON_SHARE else None
