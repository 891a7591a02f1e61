"""One training step at the paper's size, as the trainer does it: with encoders, or on stored features.

DINO ViT-S/16 and CLIP ViT-B/16 at 224×224 with random weights, batch 8, E = 3, the 36 actions of AGD20K's
Seen split, an epoch past the first. Needs the `train` extra.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.paper_size import CLIP, DINO

Step = Callable[[], float]
"""Does one step and returns its loss."""
BATCH_SIZE, EXOCENTRIC_COUNT = 8, 3
# What the authors' code is started with, as published.
AUTHORS_OPTIONS = {
    **{"alpha": 0.6, "gamma1": 0.6, "gamma2": 0.6, "divide": "Seen", "cont_temperature": 0.5},
    **{"lr": 1e-3, "momentum": 0.9, "weight_decay": 5e-4},
}


def own_step(folder: Path, device: str, stored: bool) -> Step:
    """Our step on the pictures in `folder` (AGD20K's layout).

    stored: the heads alone, on one view of every picture; reading the features counts, decoding pictures for
    the encoders does not: data threads do it meanwhile.
    """
    import torch

    from selcon_training.config import parse_config
    from selcon_training.data.agd20k import open_dataset
    from selcon_training.training.factory import build_net, make_task, training_device
    from selcon_training.training.train_step import Stepper

    torch.manual_seed(0)
    config = parse_config(
        {
            "name": "bench",
            "output": str(folder / "run"),
            "device": device,
            "data": {"root": str(folder), "actions": "seen", "exocentric": EXOCENTRIC_COUNT},
            "encoders": {
                "clip": {"name": CLIP},
                "dino": {"name": DINO},
                "cache_features": stored,
                "cache_views": 1,
            },
            "schedule": {"batch_size": BATCH_SIZE},
            "validation": {"held_out": 0.0},
        }
    )
    data = open_dataset(config.data.root, config.data.divide)
    net = build_net(config, data).to(training_device(device))
    net.learn(())
    net.training_mode(())
    task = make_task(config, data, net)
    stepper = Stepper(config, net, task, task.steps())
    batch = task.job(1, 0)()

    def step() -> float:
        return float(stepper.step(task.job(1, 0)() if stored else batch, 1, 0)["loss"])

    return step


def authors_network(clone: Path, device: str) -> Any:
    """The network of the authors' published code, imported from a clone of their repository.

    Nothing of it is changed but what keeps it from running here: weights that it would download are random,
    and without a GPU `.cuda()` leaves a module where it is. Raises ImportError where the clone is none, or
    lacks a library.
    """
    import argparse
    import sys
    import warnings

    import torch

    import selcon_training.encoders  # noqa: F401 - makes torchvision importable

    warnings.filterwarnings("ignore")
    sys.path.insert(0, str(clone))
    if device == "cpu":
        torch.nn.Module.cuda = lambda self, device=None: self  # type: ignore[method-assign, assignment]
    from models import locate, open_clip  # type: ignore[import-not-found]

    locate.load_pretrained_weights = lambda *args, **kwargs: None
    locate.create_model = lambda *args, **kwargs: open_clip.create_model(CLIP, pretrained=None)
    torch.manual_seed(0)
    return locate.Net(aff_classes=36, args=argparse.Namespace(**AUTHORS_OPTIONS)).to(device)


def authors_step(clone: Path, device: str) -> Step:
    """The same step of the authors' code (see `authors_network`)."""
    import argparse

    import torch

    net = authors_network(clone, device).train()
    from utils.util import get_optimizer  # type: ignore[import-not-found]

    optimiser = get_optimizer(net, argparse.Namespace(**AUTHORS_OPTIONS))[0]
    exo, ego = torch.randn(BATCH_SIZE, EXOCENTRIC_COUNT, 3, 224, 224), torch.randn(BATCH_SIZE, 3, 224, 224)
    labels = torch.arange(BATCH_SIZE)

    def step() -> float:
        losses = net(exo.to(device), ego.to(device), labels.to(device), 1)[1:]
        optimiser.zero_grad()
        loss = sum(losses)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step
