"""A bundle with a presence: the features that it is fitted to, from training pictures, and its graph."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_ros.core.grounding.bundle import Manifest, load_bundle, write_bundle
from selcon_training.confidence.presence import Seen, fit
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import DenseBatch
from selcon_training.data.device import to_input
from selcon_training.data.memory import check_room
from selcon_training.data.ordering import prefetch
from selcon_training.export.bundle import export_graph
from selcon_training.export.half_weights import stored_alike
from selcon_training.models.from_bundle import restore
from selcon_training.models.presence import averaged_features
from selcon_training.models.pyramid import PyramidNet
from selcon_training.training.factory import check_same_network
from selcon_training.training.tasks.dense import DenseTask

PART, NOTHING = 0.5, 0.05
"""An action is possible where its truth map reaches the one, impossible where it stays below the other;
pictures between them, with a small rest of a part at the edge, do not count."""


def add_presence(bundle: Path, config: TrainConfig, pictures: int, out: Path) -> Manifest:
    """Write `bundle` to `out` with a presence that is fitted to `pictures` training pictures of `config`.

    Weights are stored as `bundle` has them (`stored_alike`). The int8 graph, the confidence and the results
    are left out: they were of other maps. Raises ConfigError for a configuration of another network,
    DataError for pictures that do not show each action often enough or whose features do not fit into the
    memory, and what loading and writing bundles raise.
    """
    if config.backbone is None or config.supervision != "dense":
        raise ConfigError(
            f"configuration {config.name}: a presence is fitted to a convolutional network, with a section "
            f"backbone and supervision: dense; this has {'no' if config.backbone is None else 'a'} section "
            f"backbone and supervision: {config.supervision}"
        )
    given = load_bundle(bundle)
    restored = restore(given)
    net = restored.net
    net.presence = None
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    check_same_network(config, config.backbone, given, net, data.class_list(config.data.actions))
    # Few pictures are looked at twice: decoding all of them first would take longer.
    once = config.model_copy(update={"data": config.data.model_copy(update={"cache": False})})
    net.presence = fit(net, features(net, once, DenseTask(once, data, net), pictures))
    graph = export_graph(net, affinity=False, averaging=restored.averaging)
    graph = stored_alike(graph, given.model, net.input_size)
    training: dict[str, Any] = given.manifest.training | {"presence": net.presence.record}
    manifest = replace(given.manifest, training=training, confidence=None, metrics={}, files={})
    return write_bundle(out, manifest, given.sample_files | {"model": graph})


def features(net: PyramidNet, config: TrainConfig, task: DenseTask, pictures: int) -> Seen:
    """What `net` sees in the first `pictures` of a training, rounded up to whole batches."""
    steps, size = task.steps(), config.schedule.batch_size
    batches = -(-pictures // size)
    values = (len(net.actions), net.heads.width + net.backbone.widths[-1])
    check_room(
        # Once as they come, and once put together.
        2 * 4 * batches * size * math.prod(values),
        f"the features of {batches * size} pictures",
        "fit a presence to fewer (--pictures)",
    )
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
    values = averaged_features(net.heads.classifier(cells).sigmoid(), cells, maps[-1], net.coarsest_stride)
    truth = batch.truth.max(axis=(2, 3))
    return values.cpu().numpy(), truth >= PART, batch.known & ((truth >= PART) | (truth < NOTHING))
