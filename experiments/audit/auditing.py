"""The whole of `selcon audit`: draw samples, encode them once, ask every question, write the answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from experiments.audit.degrade import DEGRADATIONS
from experiments.audit.discovery import Outcome, degraded, encode, outcomes, with_gamma
from experiments.audit.samples import Facts, Sample, draw_samples, facts_of, read_sample
from selcon_training.config import ConfigError
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.evaluate.bootstrap import clusters, mean_limits
from selcon_training.models.selcon_net import Features, SelconNet
from selcon_training.reporting.trained_run import open_trained

ALPHAS = tuple(round(0.05 * step, 2) for step in range(21))
GAMMAS = (0.3, 0.45, 0.6, 0.75, 0.9)
BATCH_SIZE = 8


@dataclass
class Audit:
    """Outcomes of every sample under every condition, and what is known about the samples."""

    data: str
    split: str
    alpha: float
    gamma: float
    note: str
    facts: list[Facts] = field(default_factory=list)
    conditions: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))

    def tables(self) -> dict[str, Any]:
        """The figures: by condition, by threshold, and by kind of sample."""
        trained, objects = self.conditions["as trained"], [facts.object for facts in self.facts]
        return {
            "data": self.data,
            "split": self.split,
            "samples": len(trained),
            "alpha": self.alpha,
            "gamma": self.gamma,
            "note": self.note,
            "conditions": {
                name: summary(found, self.alpha, objects[: len(found)])
                for name, found in self.conditions.items()
            },
            "alphas": {alpha: summary(trained, alpha, objects) for alpha in ALPHAS},
            "by_object": self._by("object", range(len(trained))),
            "by_action": self._by("action", objects),
            "by_part_size": self._thirds("part_share", objects),
            "by_exo_size": self._thirds("exo_size", objects),
            "by_hidden": self._thirds("hidden", objects),
        }

    def _by(self, key: str, of: Sequence[Hashable]) -> dict[str, dict[str, Any]]:
        groups: dict[str, list[int]] = defaultdict(list)
        for place, facts in enumerate(self.facts):
            groups[getattr(facts, key)].append(place)
        return {name: self._part(groups[name], of) for name in sorted(groups)}

    def _thirds(self, name: str, of: Sequence[Hashable]) -> dict[str, dict[str, Any]]:
        """Samples in three groups of equal number; empty where the data do not tell."""
        values = {place: getattr(facts, name) for place, facts in enumerate(self.facts)}
        known = sorted(
            (place for place in values if values[place] is not None), key=lambda place: values[place]
        )
        thirds = [known[place * len(known) // 3 : (place + 1) * len(known) // 3] for place in range(3)]
        return {
            f"{100 * values[group[0]]:.2g} to {100 * values[group[-1]]:.2g} %": self._part(group, of)
            for group in thirds
            if group
        }

    def _part(self, places: Sequence[int], of: Sequence[Hashable]) -> dict[str, Any]:
        """Of some samples, with intervals over what they are `of`."""
        found = self.conditions["as trained"]
        return summary([found[place] for place in places], self.alpha, [of[place] for place in places])


def summary(found: Sequence[Outcome], alpha: float, of: Sequence[Hashable]) -> dict[str, Any]:
    """Shares of samples: reliable; part map, object map and the one used right; and right among reliable
    (None where none is). "intervals": of 95 %, over the objects that the samples are `of`."""
    reliable = np.array([outcome.reliable(alpha) for outcome in found], bool)
    part = np.array([outcome.part_right for outcome in found], bool)
    columns = {
        "reliable": reliable,
        "part_right": part,
        "object_right": [outcome.object_right for outcome in found],
        "used_right": [outcome.used_right(alpha) for outcome in found],
        "reliable_right": np.where(reliable, part, np.nan),
        "score": [outcome.score for outcome in found],
    }
    values = np.array(list(columns.values()), np.float64).T
    limits = mean_limits(values, clusters(of))
    known = (column[np.isfinite(column)] for column in values.T)
    means = (float(column.mean()) if len(column) else None for column in known)
    return {
        "samples": len(found),
        **dict(zip(columns, means, strict=True)),
        "intervals": dict(zip(columns, limits, strict=True)),
    }


def audit(run: Path, root: Path | None, count: int, degraded_count: int, seed: int) -> Audit:
    """Audit a finished weak run in its folder; `root` is where its data lie now, if elsewhere.

    Degraded conditions take the first `degraded_count` samples. Raises ConfigError for a run that is not of
    weak supervision, DataError for data without truth maps.
    """
    trained = open_trained(run)
    config, net = trained.config, trained.net
    if config is None:
        raise ConfigError(f"{run} has no config.yaml: give the output folder of `selcon train`")
    if config.supervision == "dense":
        raise ConfigError(f"{run}: supervision was dense, which discovers no parts; audit a weak run")
    data = open_dataset(root or config.data.root, config.data.divide, config.data.skip)
    split = config.data.weak_split
    samples = draw_samples(data, split, net.actions, config.data.exocentric, count, seed)
    weak = config.weak
    result = Audit(data.name, split, weak.alpha, weak.gamma, trained.note)
    bar = tqdm(total=len(samples), unit="sample", desc="part discovery", leave=False)
    for start in range(0, len(samples), BATCH_SIZE):
        worse = max(0, min(BATCH_SIZE, degraded_count - start))
        _batch(net, data, split, samples[start : start + BATCH_SIZE], weak, result, worse, seed + start)
        bar.update(min(BATCH_SIZE, len(samples) - start))
    bar.close()
    return result


def _batch(
    net: SelconNet,
    data: DataSet,
    split: str,
    samples: Sequence[Sample],
    config: WeakObjectiveConfig,
    result: Audit,
    worse: int,
    seed: int,
) -> None:
    read = [read_sample(sample, net.input_size) for sample in samples]
    parts = [part for _, _, part in read]
    labels = [net.actions.index(sample.ego.action) for sample in samples]
    result.facts += [facts_of(data, split, sample, part) for sample, part in zip(samples, parts, strict=True)]
    ego = encode(net, np.stack([ego for ego, _, _ in read]), saliency=True)
    exo = encode(net, np.concatenate([exo for _, exo, _ in read]), saliency=False)

    def ask(
        condition: str, exo: Features, count: int, changed: WeakObjectiveConfig, first: bool = False
    ) -> None:
        result.conditions[condition] += outcomes(
            net,
            ego.each(lambda values: values[:count]),
            exo,
            labels[:count],
            parts[:count],
            changed,
            seed,
            first,
        )

    ask("as trained", exo, len(samples), config)
    ask("first epoch, without CAM", exo, len(samples), config, first=True)
    for gamma in GAMMAS:
        ask(f"γ = {gamma}", exo, len(samples), with_gamma(config, gamma))
    if not worse:
        return
    fewer = exo.each(lambda values: values[: worse * len(read[0][1])])
    ask("as trained, fewer samples", fewer, worse, config)
    images: list[NDArray[np.uint8]] = [pictures for _, pictures, _ in read[:worse]]
    for name, degradation in DEGRADATIONS.items():
        for how_many in sorted({1, len(images[0])}):
            changed = np.concatenate([degraded(one, degradation, how_many, seed) for one in images])
            which = "all images" if how_many == len(images[0]) else "one image"
            ask(f"{name}: {which}", encode(net, changed, saliency=False), worse, config)
