"""What a run was begun with: its configuration and its data, written down and compared.

A run goes on, and several processes train together, with the same alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_ros.core.files.json_file import read_object
from selcon_training import distributed
from selcon_training.confidence.evidence import CLUTTER_SPLITS, NEGATIVE_SPLITS
from selcon_training.config import ConfigError, TrainConfig, parse_config, read_yaml
from selcon_training.data.agd20k import DataSet
from selcon_training.training.fingerprint import beside, fingerprint

_CONFIG_FILE, _DATA_FILE = "config.yaml", "data.json"
FREE_KEYS = (
    "name",
    "description",
    "licence",
    "output",
    "device",
    "threads",
    "data_threads",
    "logging",
    "checkpoint",
    "confidence",
    "inference",
    "validation.every_epochs",
    "validation.batch_size",
    "validation.limit",
    "schedule.epochs",
    "data.root",
    "data.skip",
    "data.backgrounds",
    "data.textures",
    "data.negatives",
    "encoders.cache_folder",
)
"""Configuration that may change between stop and resume; anything else decides what training gives. The data
may lie elsewhere: data.json tells whether they are the same."""
HOST_KEYS = (
    "output",
    "device",
    "threads",
    "data_threads",
    "logging",
    "data.root",
    "data.skip",
    "data.backgrounds",
    "data.textures",
    "data.negatives",
    "confidence.negatives",
    "encoders.cache_folder",
)
"""Configuration that may differ between processes that train together."""


def write_records(config: TrainConfig, data: dict[str, Any]) -> None:
    """Write config.yaml and data.json (see `data_record`) into the run's folder. Raises OSError."""
    values = config.model_dump(mode="json")
    config.output.mkdir(parents=True, exist_ok=True)
    write_file(config.output / _CONFIG_FILE, yaml.safe_dump(values, sort_keys=False).encode())
    write_json(config.output / _DATA_FILE, data)


def check_config(config: TrainConfig) -> None:
    """Check that nothing that matters has changed since the run was begun.

    Raises ConfigError naming the changed keys, or config.yaml if it is missing.
    """
    path = config.output / _CONFIG_FILE
    if not path.is_file():
        raise ConfigError(f"cannot resume {config.output}: {path}, how it was begun, is missing")
    changed = changed_keys(path, config, FREE_KEYS)
    if changed:
        raise ConfigError(f"cannot resume {config.output} with another configuration: {'; '.join(changed)}")


def changed_keys(path: Path, config: TrainConfig, free: tuple[str, ...]) -> list[str]:
    """What differs between a run's config.yaml and a configuration, but for those under `free`."""
    # Parsed, so that keys which did not exist when the run was begun have their defaults.
    begun = parse_config(read_yaml(path), str(path))
    return [
        f"{key}: {former!r} became {now!r}"
        for key, (former, now) in _differences(begun.model_dump(mode="json"), config, free).items()
    ]


def check_alike(config: TrainConfig) -> None:
    """Check that all processes were given the same configuration. Raises ConfigError naming what differs."""
    main = distributed.broadcast_from_main(config.model_dump(mode="json"))
    differing = [
        f"{key}: {here!r}, {there!r} for rank 0"
        for key, (there, here) in _differences(main, config, HOST_KEYS).items()
    ]
    if differing:
        raise ConfigError(
            f"rank {distributed.rank()} has another configuration than rank 0: {'; '.join(differing)}"
        )


def check_same_data(place: Path, record: dict[str, Any]) -> None:
    """Check that all processes see the data in `place` that the first one sees. Raises ConfigError."""
    main = distributed.broadcast_from_main(record)
    if record != main:
        raise ConfigError(
            f"rank {distributed.rank()} has other data in {place} than rank 0: "
            + _compared(main["images"], record["images"])
        )


def _differences(
    former: dict[str, Any], config: TrainConfig, free: tuple[str, ...]
) -> dict[str, tuple[Any, Any]]:
    """Both values of every key that differs, but for those under `free`."""
    then, now = _flat(former), _flat(config.model_dump(mode="json"))
    return {
        key: (then.get(key), now.get(key))
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key) and not key.startswith(free)
    }


def splits_of(config: TrainConfig) -> list[str]:
    """The splits that a run reads, whether or not the data set has them."""
    splits = ["valset", NEGATIVE_SPLITS["valset"], CLUTTER_SPLITS["valset"]]
    splits += [config.data.weak_split] if config.supervision != "dense" else []
    return splits + (config.data.dense_splits if config.supervision != "weak" else [])


def data_record(config: TrainConfig, data: DataSet) -> dict[str, Any]:
    """Fingerprint and counts of what a run learns from."""
    splits = splits_of(config)
    counts = {
        f"{split}/{view}": len(data.items(split, view))
        for split in sorted(set(splits))
        for view in ("egocentric", "exocentric")
        if data.has(split, view)
    }
    record: dict[str, Any] = {"fingerprint": fingerprint(data, splits), "images": counts}
    if others := beside(config.data, data if config.reads_labels else None):
        record["beside"] = others
    return record


def check_data(config: TrainConfig, place: Path, now: dict[str, Any]) -> None:
    """Check that the data in `place`, whose record is `now`, are those that the run was begun with.

    Raises ConfigError saying which counts have changed, or data.json if it is missing.
    """
    try:
        former = read_object(config.output / _DATA_FILE, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"cannot resume {config.output}: what it learned from: {error}") from None
    images, was, others = former.get("images"), former.get("beside"), now.get("beside", {})
    was = was if isinstance(was, dict) else {}
    if changed := sorted(key for key in was.keys() | others.keys() if was.get(key) != others.get(key)):
        raise ConfigError(
            f"cannot resume {config.output}: {', '.join(changed)}: not the files that it was begun with"
        )
    if former != now:
        raise ConfigError(
            f"cannot resume {config.output}: the data in {place} are not those it was begun with: "
            + _compared(images if isinstance(images, dict) else {}, now["images"])
        )


def _compared(former: dict[str, Any], now: dict[str, int]) -> str:
    changed = [
        f"{split}: {former.get(split, 0)} images became {now.get(split, 0)}"
        for split in sorted(former.keys() | now.keys())
        if former.get(split) != now.get(split)
    ]
    same = "the counts are the same, but names, sizes, truth maps, the skip list or the class list differ"
    return "; ".join(changed) or same


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
