"""Mixed styles: pictures of a training batch lend each other the statistics of their fine features.

Zhou et al. 2021, "Domain generalization with MixStyle". The mean and the standard deviation of a channel say
little of where things are, and much of how a picture was made. A network that is shown rendered objects with
the statistics of photographs, and the reverse, cannot tell by those whether there is anything to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

BETA = 0.1
"""Both parameters of the Beta distribution that shares are drawn from: mostly near 0 or 1."""
MIXED_LEVELS = 2
"""So many of a backbone's finest feature maps are mixed."""
_EPSILON = 1e-6
"""Added to variances: what hardly varies is not made to vary much."""


def mixed(features: Tensor, share: float) -> Tensor:
    """Return feature maps [B, C, h, w] with mixed statistics in about `share` of the pictures.

    The mean and deviation of each channel of a picture become λ times its own plus 1 - λ times those of
    another picture of the batch, with a λ for each picture. Draws from torch's generator.
    """
    count = features.shape[0]
    changed = torch.rand(count) < share
    partner = torch.randperm(count)
    own = torch.distributions.Beta(BETA, BETA).sample((count,))
    own = torch.where(changed, own, 1.0).to(features.device, features.dtype)[:, None, None, None]
    variance, mean = torch.var_mean(features.detach(), dim=(2, 3), correction=0, keepdim=True)
    deviation = (variance + _EPSILON).sqrt()
    other = partner.to(features.device)
    gain = own + (1.0 - own) * deviation[other] / deviation
    wanted = own * mean + (1.0 - own) * mean[other]
    return (features - mean) * gain + wanted


@contextmanager
def mixed_styles(modules: Sequence[nn.Module], share: float) -> Iterator[None]:
    """Let the outputs of these modules have mixed statistics while the context lasts; see `mixed`."""
    hooks = [
        module.register_forward_hook(lambda _module, _given, features: mixed(features, share))
        for module in modules
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
