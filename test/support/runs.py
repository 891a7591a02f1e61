"""Small trainings of every kind, and when two of them have given the same."""

import json

import pytest
import torch
from safetensors.torch import load_file

from support import pyramids
from support.dataset import config_values

SGD = {"kind": "sgd", "lr": 0.0003}


def weak(root, output, **changes):
    values = config_values(root, output, supervision="weak", optimiser=SGD, **changes)
    values["weak"] = {"reliability": "class", "warm_up_epochs": 1}
    return values


def dense(root, output):
    values = config_values(root, output, optimiser=SGD, dense={"dice": 0.5}, ema={"decay": 0.5})
    values["optimiser"] = SGD | {"clip_norm": 1.0}
    values["encoders"] = values["encoders"] | {"train": ["clip"]}
    return values


def held_out(root, output):
    values = weak(root, output, validation={"held_out": 0.5}, variant="official")
    values["encoders"] = values["encoders"] | {"cache_features": True}
    return values


def pyramid(root, output):
    """A convolutional network, all of it training but for the statistics of its batch norms."""
    values = config_values(root, output, calibration="none", optimiser=SGD, ema={"decay": 0.5})
    del values["encoders"]
    values["data"]["input_size"] = list(pyramids.SIZE)
    values["backbone"] = {"name": pyramids.NAME, "width": 16, "train": "all"}
    values["dense"] = {"cam": 1.0, "dice": 1.0, "refined": 0.0, "parts": 0.5}
    return values


def weights(output):
    return load_file(output / "checkpoint" / "model.safetensors")


def lines(output):
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def assert_same_runs(one, other):
    """Losses, figures and weights of two runs, to 1e-5."""
    first, second = lines(one), lines(other)
    assert len(first) == len(second) == 2
    for ours, theirs in zip(first, second, strict=True):
        for part in ("train", "validation"):
            # Figures of a validation go through ranks and peaks of maps: less smooth than a loss.
            bound = 1e-5 if part == "train" else 1e-3
            assert ours[part] == pytest.approx(theirs[part], rel=bound, abs=bound)
    assert_same_weights(one, other)


def assert_same_weights(one, other):
    """To 1e-5."""
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-5, msg=name)
