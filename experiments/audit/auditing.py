"""The whole of `selcon audit`: draw samples, encode them once, ask every question, write the answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
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
from selcon_training.inspect.trained_run import open_trained
from selcon_training.models.selcon_net import Features, SelconNet

ALPHAS = tuple(round(0.05 * step, 2) for step in range(21))
GAMMAS = (0.3, 0.45, 0.6, 0.75, 0.9)
BATCH = 8


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
        trained = self.conditions["as trained"]
        return {
            "data": self.data,
            "split": self.split,
            "samples": len(trained),
            "alpha": self.alpha,
            "gamma": self.gamma,
            "note": self.note,
            "conditions": {name: summary(found, self.alpha) for name, found in self.conditions.items()},
            "alphas": {alpha: summary(trained, alpha) for alpha in ALPHAS},
            "by_object": self._by(lambda facts: facts.object),
            "by_action": self._by(lambda facts: facts.action),
            "by_part_size": self._thirds("part_share"),
            "by_exo_size": self._thirds("exo_size"),
            "by_hidden": self._thirds("hidden"),
        }

    def _by(self, key: Callable[[Facts], str]) -> dict[str, dict[str, float | None]]:
        groups: dict[str, list[Outcome]] = defaultdict(list)
        for facts, outcome in zip(self.facts, self.conditions["as trained"], strict=True):
            groups[key(facts)].append(outcome)
        return {name: summary(groups[name], self.alpha) for name in sorted(groups)}

    def _thirds(self, name: str) -> dict[str, dict[str, float | None]]:
        """Samples in three groups of equal number; empty where the data do not tell."""
        known = [
            (value, outcome)
            for facts, outcome in zip(self.facts, self.conditions["as trained"], strict=True)
            if (value := getattr(facts, name)) is not None
        ]
        known.sort(key=lambda entry: entry[0])
        thirds = [known[place * len(known) // 3 : (place + 1) * len(known) // 3] for place in range(3)]
        return {
            f"{100 * group[0][0]:.2g} to {100 * group[-1][0]:.2g} %": summary(
                [outcome for _, outcome in group], self.alpha
            )
            for group in thirds
            if group
        }


def summary(found: Sequence[Outcome], alpha: float) -> dict[str, float | None]:
    """Shares of samples: reliable; part map, object map and the one used right; and right among reliable
    (None where none is)."""
    reliable = [outcome for outcome in found if outcome.reliable(alpha)]
    return {
        "samples": len(found),
        "reliable": _share([outcome.reliable(alpha) for outcome in found]),
        "part_right": _share([outcome.part_right for outcome in found]),
        "object_right": _share([outcome.object_right for outcome in found]),
        "used_right": _share([outcome.used_right(alpha) for outcome in found]),
        "reliable_right": _share([outcome.part_right for outcome in reliable]),
        "score": float(np.mean([outcome.score for outcome in found])),
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
    for start in range(0, len(samples), BATCH):
        worse = max(0, min(BATCH, degraded_count - start))
        _batch(net, data, split, samples[start : start + BATCH], weak, result, worse, seed + start)
        bar.update(min(BATCH, len(samples) - start))
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


def _share(flags: Sequence[bool]) -> float | None:
    return float(np.mean(flags)) if flags else None
