"""Settings that hold for the whole process: threads, seed, and which algorithms torch may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from selcon_ros.core.machine.processor import usable_cores
from selcon_training.config import ConfigError

_CUBLAS_WORKSPACES = (":4096:8", ":16:8")
"""What cuBLAS needs to be deterministic."""


def set_up_process(
    *,
    threads: int | None = None,
    opencv_threads: int | None = None,
    seed: int | None = None,
    deterministic: bool | None = None,
) -> None:
    """Set threads of torch and of OpenCV, torch's seed, and whether it takes deterministic algorithms alone.

    What is None stays as it is.

    With deterministic algorithms the same run twice gives the same weights, bit for bit, on a GPU too. An
    operation that has none on the device raises RuntimeError when it runs.
    Raises ConfigError if CUBLAS_WORKSPACE_CONFIG is set to something else than determinism needs.
    """
    if deterministic is not None:
        _set_deterministic(deterministic)
    if threads is not None:
        torch.set_num_threads(threads)
    if opencv_threads is not None:
        cv2.setNumThreads(opencv_threads)
    if seed is not None:
        torch.manual_seed(seed)


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Torch's threads while the context lasts: as asked, or one a core. OpenCV has one."""
    former, former_cv = torch.get_num_threads(), cv2.getNumThreads()
    set_up_process(threads=count or usable_cores(), opencv_threads=1)
    try:
        yield
    finally:
        set_up_process(threads=former, opencv_threads=former_cv)


def _set_deterministic(on: bool) -> None:
    if on:
        workspace = os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACES[0])
        if workspace not in _CUBLAS_WORKSPACES:
            raise ConfigError(
                f"deterministic = true needs CUBLAS_WORKSPACE_CONFIG to be {' or '.join(_CUBLAS_WORKSPACES)}"
                f", the environment says {workspace!r}; unset it"
            )
    torch.use_deterministic_algorithms(on)
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.benchmark = False
