"""What a user should know of a data set when training starts: what is left out, and what its maps say."""

from __future__ import annotations

from collections.abc import Sequence

from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_training.data.agd20k import DataSet
from selcon_training.data.listing import MAX_FILES_SHOWN, suffix_counts, survey
from selcon_training.data.truth_maps import WEAK_PEAK


def notices(data: DataSet, splits: Sequence[str]) -> list[str]:
    """Return a line for every kind of file of these splits that is left out, and for truth maps that mark
    nothing or little, of those that have been looked at (`data.peaks`)."""
    unread, special, images = [], [], 0
    for split in sorted(set(splits)):
        for kind in ("egocentric", "exocentric", "GT"):
            if data.has(split, kind):
                files = survey(data.base / split / kind)[1]
                images += len(files.images)
                unread += files.unread
                special += files.special
    lines = []
    if unread:
        lines.append(
            f"{len(unread)} of {images + len(unread)} files in {data.base} are left out, in formats that are "
            f"not read ({suffix_counts(unread)}); read are {', '.join(IMAGE_SUFFIXES)}: convert them"
        )
    lines += [
        f"{data.relative(path)} is no plain file and is not opened (a pipe, a device, or a link to nothing)"
        for path in special[:MAX_FILES_SHOWN]
    ]
    if len(special) > MAX_FILES_SHOWN:
        lines.append(f"and {len(special) - MAX_FILES_SHOWN} more such files")
    blank = sum(peak == 0 for peak in data.peaks.values())
    if blank:
        lines.append(f"{blank} of {len(data.peaks)} truth maps are zero everywhere: the action is not there")
    weak = [(peak, path) for path, peak in data.peaks.items() if 0 < peak < WEAK_PEAK]
    if weak:
        peak, path = min(weak)
        lines.append(
            f"{len(weak)} of {len(data.peaks)} truth maps reach less than half of 255 "
            f"({data.relative(path)}: {peak}) and are taken as they are: multiply percent by 2.55"
        )
    return lines
