"""Numbers that the authors' released code gave (test/data/parity), to hold ours against."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).resolve().parents[1] / "data" / "parity"


def numbers(name: str) -> dict[str, Any]:
    """Return the arrays of a parity file as tensors, scalars as Python numbers, texts as lists."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: _value(file[key]) for key in file.files}


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest deviation in units of the largest value."""
    return float((ours.detach() - theirs).abs().max() / theirs.abs().max())


def _value(array: np.ndarray) -> Any:
    if array.dtype.kind in "US":
        return array.tolist()
    return array.item() if array.ndim == 0 else torch.from_numpy(array)
