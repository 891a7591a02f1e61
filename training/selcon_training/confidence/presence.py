"""Fitting a finished network's presence: which of the actions that it finds a place for are possible at all.

The network stays as it is. What it sees under its own heat, in training pictures with and without each
action, is weighed by a logistic regression per action, and the weights become part of its graph.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.core.bundle import Manifest, load_bundle, write_bundle
from selcon_training.confidence.fitting import F64, MIN_EXAMPLES, regression
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import DenseBatch
from selcon_training.data.device import to_input
from selcon_training.data.ordering import prefetch
from selcon_training.errors import DataError
from selcon_training.export.bundle import export_graph
from selcon_training.export.half_weights import in_half_weights
from selcon_training.models.from_bundle import has_half_weights, restore
from selcon_training.models.network import example_images
from selcon_training.models.presence import Presence, averaged_features
from selcon_training.models.pyramid import PyramidNet
from selcon_training.training.factory import continued
from selcon_training.training.tasks.dense import DenseTask

RIDGE = 4.0
"""On the weights of features of unit variance, where all examples together weigh 1."""
PART, NOTHING = 0.5, 0.05
"""An action is possible where its truth map reaches the one, impossible where it stays below the other;
pictures between them, with a small rest of a part at the edge, do not count."""
LEAST_SPREAD = 1e-3
SURE = 30.0
"""The logit of what is always possible."""
_log = logging.getLogger(__name__)


def add_presence(bundle: Path, config: TrainConfig, pictures: int, out: Path) -> Manifest:
    """Write `bundle` to `out` with a presence that is fitted to `pictures` training pictures of `config`.

    Weights of 16 bits stay such. The int8 graph, the confidence and the results are left out: they were of
    other maps. Raises ConfigError for a configuration of another network, DataError for pictures that do not
    show each action often enough, and what loading and writing bundles raise.
    """
    given = load_bundle(bundle)
    restored = restore(given)
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    if config.backbone is None or config.supervision != "dense":
        raise ConfigError(
            f"backbone = {config.backbone}, supervision = {config.supervision}: a presence is fitted to a "
            "convolutional network (with a section backbone and supervision: dense)"
        )
    net = continued(config, config.backbone, given, data.class_list(config.data.actions))
    # Few pictures are looked at twice: decoding all of them first would take longer.
    once = config.model_copy(update={"data": config.data.model_copy(update={"cache": False})})
    seen = features(net, once, DenseTask(once, data, net), pictures)
    restored.net.presence = fit(net, seen)
    graph = export_graph(restored.net, affinity=False, averaging=restored.averaging)
    if has_half_weights(given.model):
        graph = in_half_weights(graph, [{"image": each} for each in example_images(net.input_size)])
    training: dict[str, Any] = given.manifest.training | {"presence": restored.net.presence.record}
    manifest = replace(given.manifest, training=training, confidence=None, metrics={}, files={})
    return write_bundle(out, manifest, given.sample_files | {"model": graph})


@dataclass(frozen=True)
class Seen:
    """What lies under a network's heat: `values` [n, C, D], and whether each action is `possible` [n, C],
    where that is `known` [n, C]."""

    values: NDArray[np.float32]
    possible: NDArray[np.bool_]
    known: NDArray[np.bool_]


def features(net: PyramidNet, config: TrainConfig, task: DenseTask, pictures: int) -> Seen:
    """What `net` sees in the first `pictures` of a training, rounded up to whole batches."""
    steps, batches = task.steps(), -(-pictures // config.schedule.batch_size)
    jobs = (task.job(number // steps, number % steps) for number in range(batches))
    bar = tqdm(prefetch(jobs, config.data_threads), desc="pictures", total=batches, unit="batch")
    found = [_of_batch(net, batch) for batch in bar]
    return Seen(*(np.concatenate(each) for each in zip(*found, strict=True)))


@torch.no_grad()
def _of_batch(
    net: PyramidNet, batch: DenseBatch
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    maps = net.backbone(to_input(batch.images, net.device, False, net.normalisation))
    cells = net.heads.cells(maps)
    values = averaged_features(net.heads.classifier(cells).sigmoid(), cells, maps[-1])
    truth = batch.truth.max(axis=(2, 3))
    return values.numpy(), truth >= PART, batch.known & ((truth >= PART) | (truth < NOTHING))


def fit(net: PyramidNet, seen: Seen) -> Presence:
    """The presence that tells best, for each action, the pictures where it is possible from the others.

    Both weigh the same. An action with fewer than MIN_EXAMPLES of either keeps its maps, which a warning
    says. Raises DataError if this is so for all.
    """
    classes, (_, _, size) = len(net.actions), seen.values.shape
    weights, constants = np.zeros((classes, size)), np.full(classes, SURE)
    counts = {}
    for index, action in enumerate(net.actions):
        known = seen.known[:, index]
        there = seen.possible[known, index]
        counts[action] = int(there.sum()), int((~there).sum())
        if min(counts[action]) >= MIN_EXAMPLES:
            values = seen.values[known, index].astype(np.float64)
            weights[index], constants[index] = _fit_action(values, there)
    _check(counts)
    possible = {action: there for action, (there, _) in counts.items()}
    record = {"pictures": len(seen.values), "ridge": RIDGE, "possible": possible}
    presence = Presence(net.heads.width, net.backbone.widths[-1], classes, record)
    parts = np.split(weights, [net.heads.width], axis=1)
    with torch.no_grad():
        for layer, part in zip((presence.cells, presence.coarsest), parts, strict=True):
            layer.weight.copy_(torch.from_numpy(part)[..., None, None])
            assert layer.bias is not None
            layer.bias.zero_()
        assert presence.cells.bias is not None
        presence.cells.bias.copy_(torch.from_numpy(constants))
    return presence.eval()


def _check(counts: Mapping[str, tuple[int, int]]) -> None:
    """Say of which actions there are too few examples; raise DataError if of all."""
    few = {action: each for action, each in counts.items() if min(each) < MIN_EXAMPLES}
    told = ", ".join(f"{action} {there} and {not_there}" for action, (there, not_there) in few.items())
    remedy = f"a presence needs {MIN_EXAMPLES} of each: more pictures (--pictures), or data.negatives"
    if len(few) == len(counts):
        raise DataError(f"pictures in which an action is possible and impossible: {told}; {remedy}")
    if few:
        _log.warning("too few pictures in which an action is possible and impossible: %s; %s", told, remedy)


def _fit_action(values: F64, there: NDArray[np.bool_]) -> tuple[F64, float]:
    """Weights and constant for features as they are."""
    mean, spread = values.mean(axis=0), values.std(axis=0) + LEAST_SPREAD
    weight = np.where(there, 0.5 / there.sum(), 0.5 / (~there).sum())
    found = regression((values - mean) / spread, there, weight, np.full(values.shape[1], RIDGE))
    scaled = found[:-1] / spread
    return scaled, float(found[-1] - scaled @ mean)
