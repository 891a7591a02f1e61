"""Several bundles as one result: mean and sample standard deviation of every figure over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounding.bundle import Bundle

SHARED_KEYS = ("data", "divide", "split", "calibration", "published", "left_out")
GROUPS = ("overall", "per_action", "per_object", "calibrations")


def check_alike(bundles: Sequence[Bundle]) -> None:
    """Raise BundleError unless a mean over the bundles means something: no network twice, and all with the
    same actions, calibration and γ."""
    first, seen = bundles[0], dict[str, Path]()
    for bundle in bundles:
        digest = bundle.manifest.files["model"].sha256
        if digest in seen:
            raise BundleError(f"{bundle.path} holds the same network as {seen[digest]}: give every seed once")
        seen[digest] = bundle.path
        for name in ("actions", "calibration", "gamma"):
            ours, theirs = getattr(first.manifest, name), getattr(bundle.manifest, name)
            if ours != theirs:
                raise BundleError(
                    f"{bundle.path} has {name} {theirs!r}, {first.path} {ours!r}: bundles that are "
                    "summarised must differ in their seed only"
                )


def summarise(
    bundles: Sequence[Bundle], folders: Sequence[str], tables: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The tables of the same queries, asked of every bundle, as one: each figure becomes `{"mean", "std",
    "n"}`.

    `std` is the sample standard deviation, None for fewer than two values; `n` counts the bundles that
    have the figure. `folders` are those of the single reports. `notes` name what differs in the bundles'
    training records beside the seed.
    """
    records = [bundle.manifest.training for bundle in bundles]
    differing = sorted(
        name
        for name in {name for record in records for name in record} - {"seed"}
        if any(record.get(name) != records[0].get(name) for record in records)
    )
    notes = [
        f"trained differently: {name} is {', '.join(repr(record.get(name)) for record in records)}"
        for name in differing
    ]
    softened = [(bundle.manifest.smoothing, bundle.manifest.temperature) for bundle in bundles]
    if len(set(softened)) > 1:
        notes.append(f"softened differently (smoothing, temperature): {', '.join(map(str, softened))}")
    seeds = [record.get("seed") for record in records]
    if len(set(seeds)) < len(seeds):
        notes.append(f"the seeds are not all known and different: {', '.join(map(str, seeds))}")
    return {
        "predictor": bundles[0].manifest.name,
        **{name: tables[0][name] for name in SHARED_KEYS},
        "bundles": [
            {"path": str(bundle.path), "seed": seed, "folder": folder, "overall": table["overall"]}
            for bundle, seed, folder, table in zip(bundles, seeds, folders, tables, strict=True)
        ],
        "notes": notes,
        **{group: _over_seeds([table[group] for table in tables]) for group in GROUPS},
    }


def _over_seeds(values: Sequence[Any]) -> Any:
    if isinstance(values[0], dict):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: _over_seeds([value[name] for value in values if name in value]) for name in names}
    return over_seeds([float(value) for value in values if value is not None])


def over_seeds(known: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation (None for fewer than two) and number of the values of several seeds."""
    return {
        "mean": float(np.mean(known)) if known else None,
        "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known),
    }
