"""Reading torch's files without running any code that is stored in them, and why one cannot be read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from selcon_ros.core.text import one_line


class LeftOut:
    """Takes the place of a number of numpy's or a path in a torch file: keeps nothing of it, runs nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class LeftOutArray(LeftOut):
    """Takes the place of a numpy array."""


def _stand_in(name: str, base: type[LeftOut]) -> type[LeftOut]:
    """A class under another's full name, which is what torch looks up for a name that a file gives."""
    module, _, own = name.rpartition(".")
    return type(own, (base,), {"__module__": module, "__qualname__": own})


_STAND_INS = [
    *(
        _stand_in(name, LeftOut)
        for name in (
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
            "numpy.dtype",
            "pathlib.PosixPath",
            "pathlib._local.PosixPath",
            "pathlib.WindowsPath",
            "pathlib._local.WindowsPath",
        )
    ),
    *(
        _stand_in(name, LeftOutArray)
        for name in (
            "numpy.core.multiarray._reconstruct",
            "numpy._core.multiarray._reconstruct",
            "numpy.ndarray",
        )
    ),
]
"""Training scripts put a score or a step beside the weights as numpy's numbers, and folders among their
arguments. numpy's own code that makes numbers trusts what it is given, so it is not run."""


def read_torch_file(path: Path) -> Any:
    """Return what a torch file holds, on the CPU: tensors and plain values; `LeftOut` where numpy's
    objects and paths were.

    Raises whatever torch raises for a file that is damaged, or holds other objects: see `why_unreadable`.
    """
    # DINO's training checkpoints keep their arguments: a Namespace holds attributes and runs nothing.
    torch.serialization.add_safe_globals([argparse.Namespace, *_STAND_INS])
    return torch.load(path, map_location="cpu", weights_only=True)


def why_unreadable(error: Exception) -> str:
    """Return one line: why a file of weights could not be read. torch's own text advises unsafe loading."""
    text = str(error)
    found = re.search(r"Unsupported (?:global: GLOBAL|class) (\S+)", text)
    if found:
        return (
            f"it holds an object of {found[1].rstrip('.,')}, and only tensors and plain values are read. "
            "Where it was made, save the weights alone: torch.save(model.state_dict(), 'weights.pt')"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # Others say no more than "101", for hello.
    has_reason = isinstance(error, RuntimeError | SafetensorError) and bool(text.strip())
    if not has_reason or "weights_only" in text or "Weights only" in text:
        return "it is no file that torch has written, or it is damaged; get it anew"
    return one_line(text.strip().splitlines()[0], 200)
