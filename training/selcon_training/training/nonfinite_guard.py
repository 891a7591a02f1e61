"""Steps whose loss or gradients are not finite: they change no weight, and their batch is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from selcon_ros.core.files.atomic_write import write_file


class NonfiniteGuard:
    """Takes the optimiser's steps up to the first whose loss or gradients are not finite; that one and all
    after it leave the weights as they are.

    With a fused optimiser nothing waits for the device: the flag stays there, and `first_bad`, asked now and
    then, tells. Otherwise (on the CPU, where waiting costs nothing) every step looks at the flag.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, device: torch.device) -> None:
        self.optimiser = optimiser
        self.checks_lazily = all(group.get("fused") for group in optimiser.param_groups)
        self._first = torch.full((), -1, dtype=torch.int64, device=device)

    def step(self, loss: Tensor, number: int) -> None:
        """Take step `number` if all was finite so far. `loss` is a scalar; gradients are in place."""
        parameters = (p for group in self.optimiser.param_groups for p in group["params"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        largest = torch.stack(torch._foreach_norm(gradients, float("inf")))
        finite = loss.detach().isfinite() & largest.isfinite().all()
        self._first = torch.where((self._first < 0) & ~finite, number, self._first)
        stopped = self._first >= 0
        if self.checks_lazily:
            # What a gradient scaler gives a fused optimiser: 1 makes its kernels leave everything as it is.
            self.optimiser.found_inf = stopped.float()  # type: ignore[attr-defined]
            self.optimiser.step()
        elif not bool(stopped):
            self.optimiser.step()

    def first_bad(self) -> int | None:
        """The first step that was not finite, or None; waits for the device."""
        number = int(self._first)
        return None if number < 0 else number


def save_batch(
    path: Path, batch: Any, losses: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]
) -> list[str]:
    """Write a batch, its losses, and for every parameter whether it and its gradient are finite.

    Entries: `batch.*`, `losses.*`, and `weight_finite.*` and `gradient_finite.*` (booleans; a
    parameter without gradient has no latter). Returns the names of the latter two that are false.
    """
    finite: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        finite[f"weight_finite.{name}"] = parameter.detach().isfinite().all()
        if parameter.grad is not None:
            finite[f"gradient_finite.{name}"] = parameter.grad.isfinite().all()
    kept = _arrays(batch, "batch") | {f"losses.{name}": value for name, value in losses.items()} | finite
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, save({name: value.cpu().contiguous().clone() for name, value in kept.items()}))
    return [name for name, value in finite.items() if not bool(value)]


def _arrays(batch: Any, prefix: str) -> dict[str, Tensor]:
    """The arrays and tensors in nested dataclasses and tuples, by their path."""
    if isinstance(batch, Tensor):
        return {prefix: batch}
    if isinstance(batch, np.ndarray):
        return {prefix: torch.from_numpy(np.ascontiguousarray(batch))}
    parts: list[tuple[str, Any]] = []
    if is_dataclass(batch):
        parts = [(field.name, getattr(batch, field.name)) for field in fields(batch)]
    elif isinstance(batch, tuple):
        parts = [(str(number), part) for number, part in enumerate(batch)]
    found: dict[str, Tensor] = {}
    for name, part in parts:
        found.update(_arrays(part, f"{prefix}.{name}"))
    return found
