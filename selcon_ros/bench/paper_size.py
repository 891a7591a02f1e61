"""The paper's network at its size, with random weights: speed does not depend on what a network has learned.

DINO ViT-S/16 and CLIP ViT-B/16 at 224×224 and the 36 actions of AGD20K's Seen split. Needs the `train` extra.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from selcon_ros.backends.base import Setup, open_backend
from selcon_ros.core.bundle import load_bundle
from selcon_ros.core.preprocess import preprocess
from selcon_ros.core.timing import Times, compare

CLIP, DINO = "ViT-B-16-quickgelu", "vit_small_patch16_224"
INPUT_SIZE = (224, 224)


def measure_paper_size(threads: int, rounds: int, runs: int) -> dict[str, Times]:
    """Time one image: "torch" (fp32), "onnxruntime" and its "int8" for all actions, "one" action in fp32."""
    import torch

    from selcon_training.data.known import CLASS_LISTS
    from selcon_training.encoders import load_clip, load_dino
    from selcon_training.export import export_bundle
    from selcon_training.model import SelconNet
    from selcon_training.quantization import in_int8

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    clip = load_clip({"name": CLIP, "weights": None}, INPUT_SIZE)
    dino = load_dino({"name": DINO, "weights": None}, INPUT_SIZE)
    actions = CLASS_LISTS["seen"]
    nets = {"all": SelconNet(clip, dino, actions).eval(), "one": SelconNet(clip, dino, actions[:1]).eval()}
    backends = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, net in nets.items():
            out = Path(folder) / name
            about = "Random weights, for measuring speed."
            export_bundle(net, out, name="paper-size", description=about, licence="Apache-2.0")
            backends[name] = open_backend(load_bundle(out), setup=Setup(threads))
        model = load_bundle(Path(folder) / "all")
        backends["int8"] = open_backend(in_int8(model), setup=Setup(threads))

    frames = np.random.default_rng(0).integers(0, 256, (1, *INPUT_SIZE, 3), np.uint8)
    tensor = torch.from_numpy(preprocess(frames[0], model.manifest))

    def in_torch() -> object:
        with torch.inference_mode():
            return nets["all"](tensor)

    return compare(
        {
            "torch": in_torch,
            "onnxruntime": lambda: backends["all"].run(frames),
            "int8": lambda: backends["int8"].run(frames),
            "one": lambda: backends["one"].run(frames),
        },
        rounds,
        runs,
    )
