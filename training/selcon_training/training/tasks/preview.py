"""What a configuration makes of its training data, drawn without a network."""

from __future__ import annotations

from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import dense_items
from selcon_training.data.images import U8
from selcon_training.data.labels import part_kinds
from selcon_training.data.preview import contact_sheet
from selcon_training.training.tasks.sources import training_sources

CELL = 4
"""Pixels of the input a map cell is taken for."""


def preview(config: TrainConfig, count: int, epoch: int = 0) -> tuple[U8, int]:
    """A contact sheet of the first `count` samples of an epoch, H x W x 3 uint8 RGB, and how many it shows.

    Truth is drawn in cells of CELL pixels, whatever the network's are. Pictures held out for validation may
    be among them. Raises ConfigError for supervision: weak, DataError as training does.
    """
    if config.supervision == "weak":
        raise ConfigError("supervision = 'weak' has no truth to show: preview dense or mixed configurations")
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    actions = data.class_list(config.data.actions)
    items = [item for split in config.data.dense_splits for item in dense_items(data, split, actions)]
    size = config.data.input_size
    grid = (max(1, size[0] // CELL), max(1, size[1] // CELL))
    once = config.model_copy(update={"data": config.data.model_copy(update={"cache": False})})
    mixture = training_sources(once, data, items, actions, size, grid, parts=True)
    order = mixture.order(config.seed, epoch)[:count].tolist()
    return contact_sheet(mixture.batch(order, config.seed, epoch, 0), actions, part_kinds(data)), len(order)
