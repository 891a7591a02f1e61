"""A bundle of a small random ViT, for what only networks with attention and matrix products have."""

import tempfile
from pathlib import Path

import torch

from selcon_ros.core.files import write_image
from selcon_training.export.bundle import export_bundle
from support.engines import picture
from support.nets import small_net


def vit_bundle(out: Path) -> Path:
    """Write a bundle of a ViT with two blocks of attention and eight samples to `out`, and return `out`.

    It has one output, probabilities that differ from place to place.
    """
    net = small_net(cam_activation="sigmoid")
    with torch.no_grad():
        net.heads.classifier.weight.mul_(20)
    words = {"name": out.name, "description": "random", "licence": "Apache-2.0"}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(8):
            write_image(Path(folder) / f"{number}.png", picture(number))
        export_bundle(net, out, **words, calibration="none", samples=Path(folder))
    return out
