"""Deterministic mode: the same run twice gives the same weights, bit for bit, on a GPU too."""

from __future__ import annotations

import os

import torch

from selcon_training.config import ConfigError

_WORKSPACES = (":4096:8", ":16:8")
"""What cuBLAS needs to be deterministic."""


def set_deterministic(on: bool) -> None:
    """Let torch use deterministic algorithms alone, or whichever is fastest.

    Raises ConfigError if CUBLAS_WORKSPACE_CONFIG is set to something else than determinism needs. An
    operation that has no deterministic implementation on the device raises RuntimeError when it runs.
    """
    if on:
        workspace = os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _WORKSPACES[0])
        if workspace not in _WORKSPACES:
            raise ConfigError(
                f"deterministic = true needs CUBLAS_WORKSPACE_CONFIG to be {' or '.join(_WORKSPACES)}, "
                f"the environment says {workspace!r}; unset it"
            )
    torch.use_deterministic_algorithms(on)
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.benchmark = False
