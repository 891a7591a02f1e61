"""From a configuration to the pictures that training sees: how they are varied, which are held out, and for
dense training the mixture of rendered or own ones with truth, other data sets, real backgrounds, textures and
negatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.data.augmenting import Augmenter
from selcon_training.data.compose import Scenery
from selcon_training.data.dense import Augmentation, DenseImages, DenseItem, Variety, dense_items
from selcon_training.data.labels import CLUTTER, PARTS_FILE, part_kinds
from selcon_training.data.listing import Item
from selcon_training.data.mixing import Mixture, Negatives, SampleSource
from selcon_training.data.pictures import PicturePool, Use, pool_of
from selcon_training.data.transforms import Jitter, Size
from selcon_training.data.views import ViewRange
from selcon_training.data.weak import hold_out

NEGATIVE_ZOOM = (1.0, 2.0)
"""Of negative pictures: whole, or a part of them."""
CACHE_FACTOR = 1.5
"""Real pictures are kept at this multiple of the input size, so that parts of them are nearly as sharp."""


def augmentation(config: TrainConfig) -> Augmentation:
    """The configured training augmentation."""
    data, jitter = config.data, config.data.jitter
    return Augmentation(
        zoom=data.zoom,
        fit=data.fit,
        flip=data.flip,
        jitter=Jitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue),
    )


def held_out(config: TrainConfig, data: DataSet) -> list[Item]:
    """The egocentric images of the weak split that no supervision may learn from: none with a valset."""
    split = config.data.weak_split
    if data.has("valset") or not data.has(split):
        return []
    return hold_out(data.items(split), config.validation.held_out, config.seed)[1]


def training_sources(
    config: TrainConfig,
    data: DataSet,
    items: Sequence[DenseItem],
    actions: Sequence[str],
    size: Size,
    grid: Size,
    parts: bool = False,
) -> Mixture:
    """The configured mixture for an input `size` and map `grid`; `items` are the main data set's.

    `parts`: batches tell the kinds of parts, where there are label maps. Decodes backgrounds, textures and
    negatives, and with data.cache everything else. Raises DataError, ConfigError.
    """
    chosen, kinds = config.data, part_kinds(data)
    mixed: list[list[DenseItem]] = []
    for mix in chosen.mix:
        other = open_dataset(mix.root, mix.divide, mix.skip)
        kinds = _same_kinds(data.root, kinds, mix.root, part_kinds(other))
        mixed.append([item for split in mix.splits for item in dense_items(other, split, actions)])
    _require_label_maps(config, kinds, [*items, *(item for own in mixed for item in own)])
    sharp = config.dense.truth == "part"
    clutter = kinds.index(CLUTTER) if kinds is not None and CLUTTER in kinds else None
    variety = Variety(_augmenter(config, size, grid), parts, len(kinds or ()) or None, sharp, clutter)
    main, *extra = (
        DenseImages(each, len(actions), size, grid, augmentation(config), variety) for each in (items, *mixed)
    )
    others: list[tuple[SampleSource, float]] = [
        (source, mix.share) for source, mix in zip(extra, chosen.mix, strict=True)
    ]
    if chosen.negatives is not None:
        augmenter = variety.augmenter or _basic(config, size, grid)
        views = ViewRange(NEGATIVE_ZOOM, augmenter.views.fit, True, augmenter.views.turn)
        only = Augmenter(size, grid, views, augmenter.jitter, augmenter.photometry)
        pool = _pool(config, "negative", size)
        others.append((Negatives(pool, only), chosen.negative_share))
    mixture = Mixture(main, others)
    if chosen.cache:
        for source in mixture.sources:
            if isinstance(source, DenseImages):
                source.cache(
                    chosen.cache_size,
                    partial(tqdm, desc="decoding", unit="image", leave=False),
                    config.data_threads,
                )
    return mixture


def _basic(config: TrainConfig, size: Size, grid: Size) -> Augmenter:
    plain, chosen = augmentation(config), config.data
    views = ViewRange(
        plain.zoom, plain.fit, plain.flip, chosen.turn, chosen.shift, chosen.stretch, chosen.shape_share
    )
    return Augmenter(size, grid, views, plain.jitter, chosen.photometry)


def _augmenter(config: TrainConfig, size: Size, grid: Size) -> Augmenter | None:
    """None where crop and jitter do, as they always did: what was drawn for a seed stays so."""
    chosen = config.data
    if not chosen.varied:
        return None
    basic = _basic(config, size, grid)
    scenery = Scenery(
        None if chosen.backgrounds is None else _pool(config, "background", size),
        chosen.background_share,
        None if chosen.textures is None else _pool(config, "texture", size),
        chosen.texture_share,
        chosen.studio_share,
    )
    return Augmenter(size, grid, basic.views, basic.jitter, basic.photometry, scenery)


def _pool(config: TrainConfig, use: Use, size: Size) -> PicturePool:
    folders, key = getattr(config.data, f"{use}s"), f"data.{use}s"
    size = (math.ceil(CACHE_FACTOR * size[0]), math.ceil(CACHE_FACTOR * size[1]))
    return pool_of(folders, use, key, size, config.data_threads)


def _require_label_maps(
    config: TrainConfig, kinds: tuple[str, ...] | None, items: Sequence[DenseItem]
) -> None:
    if config.dense.parts and (kinds is None or not any(item.parts for item in items)):
        raise ConfigError(
            f"dense.parts = {config.dense.parts} needs label maps of parts and their names in "
            f"{PARTS_FILE}, and {config.data.root} has none: set it to 0"
        )
    for key, kind, found in (
        ("backgrounds", "objects", any(item.objects for item in items)),
        ("textures", "parts", any(item.parts for item in items)),
    ):
        if getattr(config.data, key) is not None and not found:
            raise ConfigError(
                f"data.{key} needs label maps, and no training picture has one in egocentric_{kind}: "
                f"render the data, or leave data.{key} out"
            )


def _same_kinds(
    root: Path, kinds: tuple[str, ...] | None, other: Path, others: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    if kinds is not None and others is not None and kinds != others:
        raise ConfigError(
            f"data.mix: {other / PARTS_FILE} names other parts than {root / PARTS_FILE}: render both alike"
        )
    return kinds if others is None else others
