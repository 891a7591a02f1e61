"""A bundle ready to be adapted, with everything that it is adapted to."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from selcon_ros.core.grounding.bundle import Bundle, Manifest, load_bundle
from selcon_training.adapt.learning import Sources, adapted
from selcon_training.adapt.measure import PhotoAnswer, answers
from selcon_training.adapt.photo_set import MaskedPhoto, PhotoSet, make_photo_set, negative_pictures
from selcon_training.adapt.reading import read_photos
from selcon_training.adapt.rendered import CHECK_EVERY, PACKAGED_FILE, read_rendered
from selcon_training.config.sections import DenseConfig
from selcon_training.models.from_bundle import Restored, restore
from selcon_training.models.pyramid import PyramidNet

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """A bundle ready to be adapted, with what it is adapted to."""

    bundle: Bundle
    restored: Restored
    photo_set: PhotoSet
    rendered: list[MaskedPhoto]
    checked: list[MaskedPhoto]
    """Rendered samples that nothing learns from."""
    dense: DenseConfig

    def ask(self, net: PyramidNet, photos: Sequence[MaskedPhoto]) -> list[PhotoAnswer]:
        """Answers of a network in the bundle's place."""
        return answers(net, self.restored.averaging, self.bundle.manifest.canvas, photos)

    def learn(
        self, photos: Sequence[MaskedPhoto], negatives: Sequence[MaskedPhoto], steps: int, seed: int, bar: Any
    ) -> PyramidNet:
        """The bundle's network after training on these photos."""
        sources = Sources(photos, negatives, self.rendered, self.dense)
        canvas = self.bundle.manifest.canvas
        return adapted(self.restored.net, canvas, sources, steps, seed, bar.update)


def prepare(folder: Path, base: Path, negatives: Path | None, objects: str | None = None) -> Subject:
    """Open the bundle and read everything that it is adapted to. Raises AdaptError, DataError."""
    bundle = load_bundle(base)
    layout, labelled = read_photos(folder, negatives)
    apart = negative_pictures(negatives)
    manifest = bundle.manifest
    dense = _dense(manifest)
    sharp = dense.truth == "part"
    restored = restore(bundle)
    photo_set = make_photo_set(
        layout,
        labelled,
        apart,
        manifest.actions,
        manifest.canvas,
        sharp,
        objects,
        lambda photos: tqdm(photos, desc="photos", unit="photo", leave=False, disable=None),
    )
    for label, count in photo_set.ignored.items():
        _log.warning("the label '%s' (on %d photos) is no action of the bundle and is left out", label, count)
    rendered = read_rendered(PACKAGED_FILE, manifest.actions, manifest.canvas, sharp)
    return Subject(
        bundle,
        restored,
        photo_set,
        [photo for number, photo in enumerate(rendered) if number % CHECK_EVERY],
        rendered[::CHECK_EVERY],
        dense,
    )


def _dense(manifest: Manifest) -> DenseConfig:
    """The losses that the bundle was trained with, as far as it says, but for parts (no head is left)."""
    given = manifest.training.get("dense")
    record = given if isinstance(given, dict) else {"dice": 1.0}
    try:
        return DenseConfig.model_validate({**record, "parts": 0.0, "refined": 0.0})
    except ValidationError:
        return DenseConfig(dice=1.0, refined=0.0)
