"""Fixtures of coloured squares: a data set of its own sizes for a file of tests, or for all."""

from pathlib import Path
from typing import Any

import pytest

from support.dataset import make_dataset


def squares_of(scope: Any = "module", *, small_clip: bool = False, **sizes: Any) -> Any:
    """A fixture that writes the data set of `make_dataset`, which takes the sizes, and gives its folder.

    small_clip: trainings name the small CLIP, so register it, and let torch take one thread.
    """

    @pytest.fixture(scope=scope)
    def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A data set of coloured squares. Tests that share it leave it as it is."""
        folder = tmp_path_factory.mktemp("squares")
        if small_clip:
            import torch

            from support.nets import register_small_clip

            register_small_clip(folder)
            torch.set_num_threads(1)
        return make_dataset(folder / "squares", **sizes)

    return squares
