"""Optimiser, parameter groups and learning rate (method.md §7)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

from selcon_training.models.network import Network

if TYPE_CHECKING:
    from selcon_training.config.sections import OptimiserConfig, ScheduleConfig

_MLP_PREFIXES = ("heads.fc1.", "heads.fc2.")


def parameter_groups(
    net: Network, config: OptimiserConfig, extra: nn.Module | None
) -> list[dict[str, object]]:
    """Group the parameters that require a gradient; every group keeps its own `base_lr`.

    SGD: biases at twice the rate, the MLP's linear layers at ten times (their biases at twenty). AdamW: heads
    and encoders at their own rates, no weight decay on biases, norms and other vectors. `extra` are the
    learnables of a loss (affinity scale and offset), trained at the heads' rate without decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        rate, decay = config.lr, config.weight_decay
        if not name.startswith("heads."):
            rate = config.encoder_lr
        if config.kind == "sgd" and name.startswith("heads."):
            rate *= config.mlp_factor if name.startswith(_MLP_PREFIXES) else 1.0
            rate *= config.bias_factor if name.endswith(".bias") else 1.0
        if config.kind == "adamw" and parameter.ndim < 2:
            decay = 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    made: list[dict[str, object]] = [
        {"params": parameters, "lr": rate, "base_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    learnables = list(extra.parameters()) if extra is not None else []
    if learnables:
        made.append({"params": learnables, "lr": config.lr, "base_lr": config.lr, "weight_decay": 0.0})
    return made


def make_optimiser(
    net: Network, config: OptimiserConfig, extra: nn.Module | None = None, fused: bool = False
) -> torch.optim.Optimizer:
    """SGD with (Nesterov) momentum or AdamW over `parameter_groups`; `fused` is the fastest on CUDA."""
    groups = parameter_groups(net, config, extra)
    if config.kind == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(
            groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=fused or None
        )
    return torch.optim.AdamW(groups, lr=config.lr, fused=fused or None)


def rate_factor(step: int, total: int, config: ScheduleConfig) -> float:
    """The learning rate's factor at a step: linear warm-up, then constant or a cosine to `final_rate`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.rate == "constant":
        return 1.0
    progress = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return config.final_rate + (1.0 - config.final_rate) * 0.5 * (
        1.0 + math.cos(math.pi * min(1.0, progress))
    )


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's rate from its own base."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * factor


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> None:
    """Scale gradients down to a total norm of `limit` (None: leave them)."""
    if limit is not None:
        torch.nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], limit)
