"""Train the heads on oracle features and measure them on held-out scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from experiments.oracle.features import OracleNet, OracleOptions, OracleStore
from experiments.streams import OracleStream
from selcon_ros.core.grounding.heatmap import refine, upsample
from selcon_training.config import TrainConfig
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.data.listing import Item
from selcon_training.data.ordering import generator
from selcon_training.data.pairs import read_truth
from selcon_training.errors import DataError
from selcon_training.evaluate.measures import Scores, part_of, score
from selcon_training.training.optimisers import make_optimiser, rate_factor, set_rate
from selcon_training.training.tasks.weak import WeakTask


def run_oracle(config: TrainConfig, options: OracleOptions, seed: int) -> dict[str, Any]:
    """Train the heads on oracle features of the weak split and measure them on held-out scenes.

    Returns KLD, SIM, NSS and right-part rate, overall and per action. Raises DataError without label maps.
    """
    config = config.model_copy(
        update={"seed": seed, "encoders": config.encoders.model_copy(update={"cache_features": False})}
    )
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    actions = data.class_list(config.data.actions)
    torch.manual_seed(seed)
    net = OracleNet(actions, options)
    kept, held = _hold_scenes(data.items(config.data.weak_split), options.held_out, seed)
    task = WeakTask(config, data, net, ego=kept)  # type: ignore[arg-type]  # stands in for the network
    task.stores = tuple(  # type: ignore[assignment]
        OracleStore(data, config.data.weak_split, view, items, actions, options, seed, config.data.flip)
        for view, items in (("egocentric", task.split.ego), ("exocentric", task.split.exo))
    )
    optimiser = make_optimiser(net, config.optimiser)  # type: ignore[arg-type]
    epochs, steps = config.schedule.epochs, task.steps()
    bar = tqdm(total=epochs * steps, unit="step", desc=f"oracle seed {seed}", leave=False)
    for epoch in range(epochs):
        for step in range(steps):
            set_rate(optimiser, rate_factor(epoch * steps + step, epochs * steps, config.schedule))
            optimiser.zero_grad(set_to_none=True)
            losses = task.losses(task.job(epoch, step)(), epoch, step)
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            bar.update()
            bar.set_postfix(loss=f"{float(losses['loss'].detach()):.2f}", refresh=False)
    bar.close()
    return _measure(config, data, net, held, options, seed)


def _measure(
    config: TrainConfig,
    data: DataSet,
    net: OracleNet,
    held: Sequence[Item],
    options: OracleOptions,
    seed: int,
) -> dict[str, Any]:
    store = OracleStore(data, config.data.weak_split, "egocentric", held, net.actions, options, seed)
    net.eval()
    rows: list[tuple[str, Scores]] = []
    for index, item in enumerate(held):
        path = data.extra(config.data.weak_split, "GT", item)
        truth = None if path is None else read_truth([path], item.path)
        if truth is None or not truth.any():
            continue
        features = store.features(np.array([index]), np.array([False]))
        action = net.actions.index(item.action)
        with torch.no_grad():
            cam = net.heads.cam(features.parts)[0, action].numpy()
        affinity = features.patches[0, action].numpy()
        refined = refine(cam, affinity, config.calibration, config.gamma)
        heatmap = upsample(refined, *truth.shape)
        rows.append((item.action, score([refined], [heatmap], truth, part_of(truth, None))[0]))
    if not rows:
        raise DataError(f"{data.base / config.data.weak_split / 'GT'}: no truth map for the held-out scenes")
    return {
        "overall": _means([scores for _, scores in rows]),
        "per_action": {
            action: _means([scores for name, scores in rows if name == action])
            for action in sorted({name for name, _ in rows})
        },
    }


def _means(scores: Sequence[Scores]) -> dict[str, float]:
    return {
        "queries": float(len(scores)),
        "kld": float(np.mean([one.kld for one in scores])),
        "sim": float(np.mean([one.sim for one in scores])),
        "nss": float(np.mean([one.nss for one in scores])),
        "right_part": float(np.mean([one.right for one in scores])),
    }


def _hold_scenes(items: Sequence[Item], share: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Split by stem: a scene is in several action folders, and must not be on both sides."""
    stems = sorted({item.stem for item in items})
    order = generator(seed, OracleStream.HELD_OUT).permutation(len(stems))
    out = {stems[index] for index in order[: max(1, round(share * len(stems)))]}
    return [item for item in items if item.stem not in out], [item for item in items if item.stem in out]


def cross_entropy_only(config: TrainConfig) -> TrainConfig:
    """The same configuration without the contrastive losses."""
    weak = config.weak.model_copy(update={"lambda_proto": 0.0, "lambda_pixel": 0.0})
    return config.model_copy(update={"weak": weak})
