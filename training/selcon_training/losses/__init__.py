"""The two contrastive losses of the paper, vectorised over the batch."""

from selcon_training.losses.pixel import pixel_loss
from selcon_training.losses.prototypical import prototypical_loss

__all__ = ["pixel_loss", "prototypical_loss"]
