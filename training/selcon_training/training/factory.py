"""From a configuration to the parts of a run: network, supervision, validation, device."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import nn

from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.confidence.false_rate import open_negatives
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.config.encoders import BackboneConfig, EncodersConfig
from selcon_training.data.agd20k import DataSet
from selcon_training.data.pictures import PicturePool
from selcon_training.encoders import EncoderSpec, load_encoders
from selcon_training.encoders.backbone import load_backbone
from selcon_training.encoders.frozen import FrozenPass
from selcon_training.models.from_bundle import drop_presence, restore
from selcon_training.models.network import Network
from selcon_training.models.pyramid import PyramidNet
from selcon_training.models.selcon_net import CamActivation, SelconNet
from selcon_training.models.test_time_averaging import Averaging, averaged
from selcon_training.training.tasks.base import Task
from selcon_training.training.tasks.dense import DenseTask, start_from_prior
from selcon_training.training.tasks.mixed import MixedTask
from selcon_training.training.tasks.sources import held_out
from selcon_training.training.tasks.weak import WeakTask
from selcon_training.training.validation import Inference, LabelValidator, MapValidator

_log = logging.getLogger(__name__)


def build_net(config: TrainConfig, data: DataSet) -> Network:
    """A fresh network for the data set's class list; a network that sees truth maps ends its CAM in a
    sigmoid."""
    actions = data.class_list(config.data.actions)
    if config.backbone is not None:
        return _pyramid(config, config.backbone, actions)
    for role, spec in (("clip", config.encoders.clip), ("dino", config.encoders.dino)):
        if spec.weights is None:
            _log.warning("encoders.%s.weights is null: %s starts from random weights", role, spec.name)
    clip, dino = load_encoders(
        config.encoders.clip.model_dump(), config.encoders.dino.model_dump(), config.data.input_size
    )
    weak = config.supervision == "weak"
    activation: CamActivation = "none" if weak else "sigmoid"
    net = SelconNet(
        clip,
        dino,
        actions,
        cam_activation=activation,
        upscale=config.upscale,
        shared_projection=config.shared_projection,
        classifier=config.classifier,
    )
    clip.drop_text()
    if not weak:
        start_from_prior(net, config.dense.prior)
    return net


def _pyramid(config: TrainConfig, backbone: BackboneConfig, actions: Sequence[str]) -> PyramidNet:
    """A convolutional network for these actions, fresh or a bundle's."""
    if backbone.bundle is not None:
        return continued(config, backbone, load_bundle(backbone.bundle), actions)
    if backbone.weights is None:
        _log.warning("backbone.weights is null: %s starts from random weights", backbone.name)
    spec = EncoderSpec(backbone.name, backbone.weights, backbone.sha256)
    net = PyramidNet(load_backbone(spec), actions, config.data.input_size, backbone.width)
    start_from_prior(net, config.dense.prior)
    return net


def check_bundle(config: TrainConfig) -> None:
    """Open the bundle that a run would go on from, if one is named. Raises what `build_net` raises for it."""
    if config.backbone is not None and config.backbone.bundle is not None:
        bundle = load_bundle(config.backbone.bundle)
        continued(config, config.backbone, bundle, config.data.actions or bundle.manifest.actions)


def continued(
    config: TrainConfig, backbone: BackboneConfig, bundle: Bundle, actions: Sequence[str]
) -> PyramidNet:
    """The network of a bundle, for data.input_size: its convolutions fit any.

    Raises ConfigError where the network is another than the configuration asks for.
    """
    net = restore(bundle).net
    drop_presence(net, str(bundle.path))
    if net.input_size != tuple(config.data.input_size):
        net = net.at_size(config.data.input_size)
    check_same_network(config, backbone, bundle, net, actions)
    net.earlier = bundle.manifest.training
    return net


def check_same_network(
    config: TrainConfig, backbone: BackboneConfig, bundle: Bundle, net: PyramidNet, actions: Sequence[str]
) -> None:
    """Raise ConfigError where `net`, which `bundle` has, is another than the configuration asks for."""
    wanted = {
        "data.actions": (list(actions), net.actions),
        "data.input_size": (list(config.data.input_size), list(net.input_size)),
        "backbone.name": (backbone.name, net.backbone.name),
        "backbone.width": (backbone.width, net.heads.width),
        "data.fit": (config.data.fit_in_use, bundle.manifest.fit),
    }
    for key, (asked, found) in wanted.items():
        if asked != found:
            raise ConfigError(f"{key} = {asked}: the bundle {bundle.path} has {found}; use that")


def set_batch_norm_momentum(net: Network, momentum: float) -> None:
    """Let the running statistics of the projections' batch norms follow at this rate."""
    for module in net.heads.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def test_time_averaging(config: TrainConfig, net: Network) -> Averaging:
    """The configured averaging. Raises EncoderError for scales that this network cannot be asked at."""
    averaging = Averaging(config.inference.flip, config.inference.scales)
    averaged(net, averaging)
    return averaging


def make_task(config: TrainConfig, data: DataSet, net: Network) -> Task:
    """The supervision that the configuration asks for; frozen encoders run as it says from here on."""
    if not isinstance(net, SelconNet):
        return DenseTask(config, data, net)
    net.frozen_pass = frozen_pass(config.encoders, net.device)
    tasks: dict[str, type[DenseTask] | type[WeakTask] | type[MixedTask]] = {
        "dense": DenseTask,
        "weak": WeakTask,
        "mixed": MixedTask,
    }
    return tasks[config.supervision](config, data, net)


def frozen_pass(config: EncodersConfig, device: torch.device) -> FrozenPass:
    """How frozen encoders run on this device. Raises ConfigError for what it cannot do."""
    if config.precision != "auto":
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[config.precision]
    elif device.type != "cuda":
        dtype = torch.float32
    else:
        own = torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = torch.bfloat16 if own else torch.float16
    lacking = _lacking_for_compile(device)
    if config.compile == "on" and lacking:
        raise ConfigError(f"encoders.compile = 'on': torch.compile needs {lacking}; install it, or set 'off'")
    automatic = config.compile == "auto" and device.type == "cuda" and not lacking
    return FrozenPass(dtype, compiled=config.compile == "on" or automatic)


def _lacking_for_compile(device: torch.device) -> str:
    """What torch.compile would miss on this device, "" for nothing."""
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")):
        return "a C++ compiler (g++)"
    return "Triton" if device.type == "cuda" and find_spec("triton") is None else ""


def make_validator(config: TrainConfig, data: DataSet, net: Network) -> MapValidator | LabelValidator | None:
    """valset's truth maps; without a valset, held-out egocentric images; without those, nothing."""
    chosen = config.validation
    canvas = Canvas(net.input_size, net.map_grid, config.data.fit_in_use)
    if data.has("valset"):
        averaging = test_time_averaging(config, net)
        inference = Inference(config.calibration, config.gamma, chosen.batch_size, averaging)
        return MapValidator(data, "valset", net.actions, canvas, inference, chosen.limit)
    held = held_out(config, data)
    if not held:
        return None
    return LabelValidator(held, net.actions, canvas, chosen.batch_size, chosen.limit)


def make_negatives(
    config: TrainConfig, validator: MapValidator | LabelValidator | None
) -> PicturePool | None:
    """The real negative pictures that the confidence is fitted on; None without the section.

    Raises ConfigError without a valset, DataError for pictures that training sees.
    """
    chosen = config.confidence
    if chosen is None:
        return None
    if not isinstance(validator, MapValidator):
        raise ConfigError(
            f"confidence: {config.data.root} has no valset, whose truth maps it is fitted on: "
            "put some pictures there, or leave the section out"
        )
    learned = {"data.negatives": config.data.negatives, "data.backgrounds": config.data.backgrounds}
    return open_negatives(
        chosen.negatives,
        chosen.false_rate,
        validator.canvas.input_size,
        config.data_threads,
        [(key, folder) for key, folders in learned.items() for folder in folders or ()],
    )


def training_device(name: str) -> torch.device:
    """The device of this name; "auto" is CUDA where there is one. Raises ConfigError for one that is not
    there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device = {name!r}: not available here ({str(error).splitlines()[0]})") from error
    return device
