"""From a blurred truth map back to the part that it was made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_training.data.images import F32, U8
from selcon_training.data.labels import UNKNOWN_KIND, Labels, nearest
from selcon_training.data.truth_maps import BLUR_WIDTH

_COMPARED_SIDE = 160
"""Pixels of the longer side at which truth maps are compared with parts."""
_BLUR_WIDTHS = (BLUR_WIDTH, 0.0, 0.009, 0.03)
"""Standard deviations that are tried, in shares of the width: ours and AGD20K's first; masks have none."""
_MAX_UNEXPLAINED, _GOOD_UNEXPLAINED = 0.1, 0.02
"""Largest share of a truth map's energy that its parts, blurred, may leave; and one that ends the search."""
_MIN_PIECE = 4


def sharp_truth(truth: U8, labels: Labels) -> U8:
    """The part of a blurred truth map, 0 or 255, of the truth's size or the label maps'.

    Where label maps explain the truth, it is the union of those pieces (connected, of one part and object
    kind) of which the truth is the blurred sum; else it is where the truth exceeds half its peak, which is
    wider than the part where that is thin.
    """
    peak = int(truth.max())
    if peak == 0:
        return truth
    found = None if labels.parts is None else _explained(truth, _pieces(labels.parts, labels.objects))
    return (truth > peak / 2).astype(np.uint8) * np.uint8(255) if found is None else found


def _explained(truth: U8, pieces: list[NDArray[np.bool_]]) -> U8 | None:
    if not pieces:
        return None
    scale = _COMPARED_SIDE / max(pieces[0].shape)
    size = (max(1, round(pieces[0].shape[1] * scale)), max(1, round(pieces[0].shape[0] * scale)))
    wanted = cv2.resize(truth, size, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small = [cv2.resize(piece.astype(np.float32), size, interpolation=cv2.INTER_AREA) for piece in pieces]
    least, weights = np.inf, np.zeros(len(pieces), np.float32)
    for blur in _BLUR_WIDTHS:
        shown = [cv2.GaussianBlur(piece, (0, 0), blur * size[0]) if blur else piece for piece in small]
        basis: F32 = np.stack([each.ravel() for each in shown], axis=1)
        fitted = np.linalg.lstsq(basis, wanted, rcond=None)[0]
        left = float(np.square(basis @ fitted - wanted).sum() / np.square(wanted).sum())
        if left < least:
            least, weights = left, fitted
        if least < _GOOD_UNEXPLAINED:
            break
    if least > _MAX_UNEXPLAINED or weights.max() <= 0:
        return None
    chosen = [piece for piece, weight in zip(pieces, weights, strict=True) if weight > weights.max() / 2]
    sharp: U8 = np.logical_or.reduce(chosen).astype(np.uint8) * np.uint8(255)
    return sharp


def _pieces(parts: U8, objects: U8 | None) -> list[NDArray[np.bool_]]:
    """Masks of the connected pieces of one part and object kind."""
    kinds = parts.astype(np.int32)
    if objects is not None:
        kinds = kinds + 256 * nearest(objects, parts.shape).astype(np.int32)
    pieces: list[NDArray[np.bool_]] = []
    for kind in np.unique(kinds[(parts > 0) & (parts != UNKNOWN_KIND)]):
        count, numbers = cv2.connectedComponents((kinds == kind).astype(np.uint8))
        sizes = np.bincount(numbers.ravel(), minlength=count)
        pieces += [numbers == number for number in range(1, count) if sizes[number] >= _MIN_PIECE]
    return pieces
