"""A training step shared by several processes: the same loss and gradients as one process with the whole
batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from selcon_training import distributed
from selcon_training.errors import DistributedError
from selcon_training.models.network import Network

if TYPE_CHECKING:
    from selcon_training.training.tasks.base import Task


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batches of all processes; torch's own refuses the CPU, this runs anywhere.

    Every process must have equally many values.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, h, w]; in evaluation mode as batch norm does."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        own = torch.stack([x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)])
        means, variances = distributed.all_gather(own[None]).unbind(dim=1)  # [processes, C]
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + (means - mean).square().mean(dim=0)
        self._track(mean.detach(), variance.detach(), distributed.world_size() * x.numel() // x.shape[1])
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return ((x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, values: int) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * values / (values - 1), self.momentum)


class _Losses(nn.Module):
    """A task's losses as a module, which is what DistributedDataParallel wraps."""

    def __init__(self, net: Network, task: Task) -> None:
        super().__init__()
        self.net, self.learnables, self.task = net, task.learnables, task

    def forward(self, batch: Any, epoch: int, step: int) -> dict[str, Tensor]:
        return self.task.losses(batch, epoch, step)


def parallel_losses(net: Network, task: Task) -> nn.Module:
    """The losses of this process's share of a batch; the gradients that they leave are those of the whole.

    From here on the network's batch norms see the whole batch. Raises DistributedError for a norm that learns
    its statistics from a process's share alone.
    """
    for name, module in net.named_modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d  # parameters, statistics and names stay
        elif isinstance(module, _BatchNorm) and module.training and type(module) is not SharedBatchNorm2d:
            raise DistributedError(
                f"{name} of the network is a {type(module).__name__}, whose statistics several processes do "
                "not share: train in one process"
            )
    # During warm-up the contrastive projections have no gradient.
    return DistributedDataParallel(_Losses(net, task), broadcast_buffers=False, find_unused_parameters=True)
