"""Bundles of small convolutional networks."""

import torch

from selcon_ros.core.grounding.bundle import ConfidenceFit
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.config import parse_config
from selcon_training.encoders.backbone import load_backbone
from selcon_training.export.bundle import export_bundle
from selcon_training.models.pyramid import PyramidNet
from selcon_training.training.tasks.dense import start_from_prior
from support import dataset, photos

NAME = "test_efficientnet"  # timm's smallest with feature maps
SIZE = (64, 96)
CANVAS = Canvas(SIZE, (16, 24), "pad")


def make_base(out, name=NAME, norms=True, width=16, others=(), **options):
    """A bundle of a small network, whose batch norms do something if asked for."""
    torch.manual_seed(0)
    net = PyramidNet(load_backbone({"name": name}), photos.LABELS, SIZE, width)
    start_from_prior(net, 0.05)
    for module in net.backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and norms:
            torch.nn.init.normal_(module.running_mean, 0.0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.1)
    fit = ConfidenceFit((10.0, 10.0, 10.0), (-5.0, -5.0, -5.0), others)
    told = {"name": "base", "description": "Small.", "licence": "Apache-2.0", "calibration": "none"}
    export_bundle(net, out, fit="pad", confidence=fit, training={"synthetic": True}, **told, **options)
    return out


def net_of(name=NAME, size=SIZE, weights=None, seed=0):
    torch.manual_seed(seed)
    return PyramidNet(load_backbone({"name": name, "weights": weights}), list(dataset.COLOURS), size, 16)


def config_of(root, output, **changes):
    values = dataset.config_values(root, output, calibration="none")
    del values["encoders"]
    values["data"]["input_size"] = list(SIZE)
    values["backbone"] = {"name": NAME, "width": 16, "train": "upper"}
    values["dense"] = {"cam": 1.0, "dice": 1.0, "refined": 0.0}
    return parse_config(values | changes)
