"""The trainer's step at batch 8 on the network of `gpu_network`, without the libraries of configurations."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.gpu_network import NetworkSize, timm_network
from benchmarks.training_steps import BATCH_SIZE, EXOCENTRIC_COUNT

if TYPE_CHECKING:
    from torch import Tensor

    from selcon_training.models.selcon_net import SelconNet

# The trainer's defaults, which are the paper's: a test compares them with `TrainConfig`.
WEAK_OBJECTIVE = {
    "gamma": 0.6, "alpha": 0.6, "clusters": 3, "tau": 0.5, "tau0": 0.07, "lambda_proto": 1.0,
    "lambda_pixel": 1.0, "piou": "locate", "pixel_variant": "paper", "negative_cam": "relu",
    "object_maps": "raw", "warm_up_epochs": 0, "prototype_level": "part", "pixel_level": "part",
    "reliability": "fixed", "selection": "maps", "ego_descriptors": "plain", "part_maps": "cosine",
}  # fmt: skip
OPTIMISER = {
    "kind": "sgd", "lr": 1e-3, "encoder_lr": 1e-4, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4,
    "bias_factor": 2.0, "mlp_factor": 10.0, "clip_norm": None,
}  # fmt: skip
SCHEDULE = {"epochs": 15, "batch_size": BATCH_SIZE, "rate": "constant", "warmup_steps": 0, "final_rate": 0.01}
STEPS_PER_EPOCH = 2508
"""Of an epoch of AGD20K Seen."""


class _Weak:
    """The paper's losses of a batch of images, as `WeakTask` computes them."""

    learnables = None

    def __init__(self, net: SelconNet, config: Any) -> None:
        self._net, self._config = net, config

    def losses(self, batch: tuple[Tensor, Tensor], epoch: int, step: int) -> dict[str, Tensor]:
        import torch

        from selcon_training.data.device import to_input
        from selcon_training.losses.weak import WeakStep, weak_losses

        images, labels = batch
        found = self._net.features(to_input(images, self._net.device, False), saliency=True)
        ego, exo = (
            found.each(lambda values: values[:BATCH_SIZE]),
            found.each(lambda values: values[BATCH_SIZE:]),
        )
        draws = torch.Generator().manual_seed(step)
        given = WeakStep(ego, exo, labels.to(self._net.device, non_blocking=True), generator=draws)
        return weak_losses(self._net, given, self._config.weak)


def own_step(device: str, size: NetworkSize) -> Callable[[], float]:
    """Return a step of an epoch past the first, on images [32, side, side, 3] uint8 in the process's memory;
    it returns its loss, for which it waits."""
    import torch

    from selcon_training.encoders.frozen import FrozenPass
    from selcon_training.training.train_step import Stepper

    net = timm_network(size).to(torch.device(device))
    net.learn(())
    net.training_mode(())
    if device == "cuda":
        net.frozen_pass = FrozenPass(torch.bfloat16, compiled=find_spec("triton") is not None)
    parts = {"weak": WEAK_OBJECTIVE, "optimiser": OPTIMISER, "schedule": SCHEDULE}
    config: Any = SimpleNamespace(
        **{name: SimpleNamespace(**values) for name, values in parts.items()},
        ema=None, precision="fp32", output=Path(), trained=[],
    )  # fmt: skip
    task: Any = _Weak(net, config)
    stepper = Stepper(config, net, task, STEPS_PER_EPOCH)
    shape = (BATCH_SIZE * (1 + EXOCENTRIC_COUNT), size.side, size.side, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(BATCH_SIZE) % size.actions
    batch = (images.pin_memory(), labels.pin_memory()) if device == "cuda" else (images, labels)
    return lambda: float(stepper.step(batch, 1, 0)["loss"])
