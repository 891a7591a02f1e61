"""The paper's network at its size, with random weights: speed does not depend on what a network has learned.

DINO ViT-S/16 and CLIP ViT-B/16 at 224×224 and the 36 actions of AGD20K's Seen split. Needs the `train` extra.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from selcon_ros.core.grounding.bundle import INT8_ROLE, default_bundle_path, load_bundle, write_bundle

if TYPE_CHECKING:
    from selcon_training.models.selcon_net import SelconNet

CLIP, DINO = "ViT-B-16-quickgelu", "vit_small_patch16_224"
INPUT_SIZE = (224, 224)
NAME = "paper-size"
STUDENT, STUDENT_SIZE, STUDENT_WIDTH = "tf_efficientnet_lite0", (192, 256), 96


def paper_size_network(actions: int | None = None) -> SelconNet:
    """Return the network in PyTorch, the same at each call; `actions`: only the first so many."""
    import torch

    from selcon_training.data.published_sets import CLASS_LISTS
    from selcon_training.encoders import load_clip, load_dino
    from selcon_training.models.selcon_net import SelconNet

    torch.manual_seed(0)
    clip = load_clip({"name": CLIP, "weights": None}, INPUT_SIZE)
    dino = load_dino({"name": DINO, "weights": None}, INPUT_SIZE)
    return SelconNet(clip, dino, CLASS_LISTS["seen"][:actions]).eval()


def paper_size_bundle(out: Path, actions: int | None = None, int8: bool = False) -> Path:
    """Write it as a bundle to the folder `out`, with the packaged bundle's samples, and return `out`.

    int8: with that graph too.
    """
    from selcon_training.export.bundle import export_bundle
    from selcon_training.export.quantization import int8_graph

    about = "Random weights, for measuring speed."
    network = paper_size_network(actions)
    samples = default_bundle_path() / "samples"
    export_bundle(network, out, name=NAME, description=about, licence="Apache-2.0", samples=samples)
    if int8:
        bundle = load_bundle(out)
        write_bundle(out, bundle.manifest, {**bundle.files, INT8_ROLE: int8_graph(bundle.model)})
    return out


def student_bundle(out: Path) -> Path:
    """Write a student of the packaged model's kind, as `selcon distill` makes it, and return `out`.

    Random weights, input 192×256, and the 36 actions of the paper-size network.
    """
    import torch

    from selcon_training.data.published_sets import CLASS_LISTS
    from selcon_training.encoders.backbone import load_backbone
    from selcon_training.export.bundle import export_bundle
    from selcon_training.models.pyramid import PyramidNet

    torch.manual_seed(0)
    net = PyramidNet(load_backbone({"name": STUDENT}), CLASS_LISTS["seen"], STUDENT_SIZE, STUDENT_WIDTH)
    about = "Random weights, for measuring speed."
    export_bundle(
        net.eval(),
        out,
        name="student",
        description=about,
        licence="Apache-2.0",
        fit="pad",
        calibration="none",
    )
    return out
