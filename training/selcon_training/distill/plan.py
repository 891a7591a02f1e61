"""From what the user asks for to the configuration of a student's training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from selcon_ros.core.grounding.bundle import load_bundle
from selcon_training.config import TrainConfig, parse_config
from selcon_training.config.train_config import changed
from selcon_training.distill.answers import Teacher
from selcon_training.encoders.backbone import load_backbone
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import DistillError
from selcon_training.models.from_bundle import drop_presence, restore
from selcon_training.models.pyramid import PyramidNet
from selcon_training.training.tasks.dense import start_from_prior

_log = logging.getLogger(__name__)

DEFAULT_STUDENT, DEFAULT_SIZE, DEFAULT_EPOCHS, DEFAULT_MAX_KLD = "tf_efficientnet_lite0", (240, 320), 20, 0.3


@dataclass(frozen=True)
class DistillPlan:
    """What is asked for.

    `student` is timm's name of the backbone and `weights` what it starts from (as `backbone.weights` of a
    configuration), or `start` is a bundle that it goes on from. `size`: (height, width) of its input.
    `overrides` change the training's configuration, as key=value.
    """

    student: str | None = None
    weights: str | None = None
    start: Path | None = None
    size: tuple[int, int] | None = None
    epochs: int = DEFAULT_EPOCHS
    seed: int = 0
    threads: int | None = None
    max_kld: float = DEFAULT_MAX_KLD
    name: str | None = None
    overrides: Sequence[str] = ()


def configuration(plan: DistillPlan, photos: Path, work: Path, teacher: Teacher) -> TrainConfig:
    """The training's configuration. Raises ConfigError, and DistillError for what excludes each other."""
    student, size, width, fit = plan.student or DEFAULT_STUDENT, plan.size or DEFAULT_SIZE, 96, "pad"
    if plan.start is not None:
        if plan.weights is not None:
            raise DistillError("a bundle to start from brings its own weights: leave out --weights or --from")
        bundle = load_bundle(plan.start)
        net = restore(bundle).net
        if plan.student not in (None, net.backbone.name):
            raise DistillError(
                f"--student {plan.student}: the bundle {plan.start} to start from has {net.backbone.name}; "
                "leave out one of the two"
            )
        student, width, fit = net.backbone.name, net.heads.width, bundle.manifest.fit
        size = plan.size or net.input_size
    manifest = teacher.manifest
    values: dict[str, Any] = {
        "name": plan.name or f"{manifest.name}, distilled"[:200],
        "description": f"{manifest.description} Distilled into {student}."[:4000],
        "licence": manifest.licence,
        "supervision": "dense",
        "output": str(work),
        "seed": plan.seed,
        "threads": plan.threads,
        "channels_last": True,
        "calibration": "none",
        "data": {
            "root": str(photos),
            "input_size": list(size),
            "fit": fit,
            "zoom": [0.7, 1.6],
            "turn": 15.0,
            "shift": 0.1,
            "stretch": 0.1,
            "shape_share": 0.2 if fit == "pad" else 0.0,
            "photometry": {},
        },
        "backbone": {
            "name": student,
            "weights": plan.weights,
            "bundle": None if plan.start is None else str(plan.start),
            "train": "all",
            "width": width,
        },
        "optimiser": {
            "kind": "adamw",
            "lr": 1e-3,
            "encoder_lr": 3e-4,
            "weight_decay": 0.01,
            "clip_norm": 1.0,
        },
        "schedule": {"epochs": plan.epochs, "batch_size": 16, "rate": "cosine", "warmup_steps": 50},
        "ema": {"decay": 0.998, "warm_up": True},
        "validation": {"held_out": 0.1, "limit": 200},
        "checkpoint": {"every_steps": 200},
        "logging": {"overlays": 0},
    }
    return parse_config(changed(values, plan.overrides), "selcon distill")


def build(config: TrainConfig, teacher: Teacher) -> PyramidNet:
    """A fresh student, or the network of the bundle that it starts from.

    Raises EncoderError for a backbone that is not known or does not fit the input size, DistillError for a
    bundle of other actions.
    """
    backbone, size = config.backbone, config.data.input_size
    if backbone is None:
        raise DistillError("backbone = null: a student is a convolutional network, name its backbone")
    actions = teacher.manifest.actions
    if backbone.bundle is None:
        if backbone.weights is None:
            _log.warning("%s starts from random weights: give --weights or --from", backbone.name)
        torch.manual_seed(config.seed)
        spec = EncoderSpec(backbone.name, backbone.weights, backbone.sha256)
        net = PyramidNet(load_backbone(spec), actions, size, backbone.width)
        start_from_prior(net, config.dense.prior)
        return net
    bundle = load_bundle(backbone.bundle)
    if bundle.manifest.actions != actions:
        raise DistillError(
            f"the bundle {backbone.bundle} to start from knows the actions {list(bundle.manifest.actions)}, "
            f"the teacher {list(actions)}: start from one with the same in the same order, or from a backbone"
        )
    net = restore(bundle).net
    drop_presence(net, str(bundle.path))
    net.earlier = bundle.manifest.training
    return net if net.input_size == size else net.at_size(size)
