"""Fitting a bundle's confidence anew, without training: as the robot would run it, on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import Manifest, load_bundle, write_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.confidence.evidence import Evidence, EvidencePicture, of_negatives, scenes
from selcon_training.confidence.false_rate import FalseRates, fit_for_rate, open_negatives
from selcon_training.confidence.fitting import Fitted
from selcon_training.data.chosen_split import ValidationSplit
from selcon_training.data.images import U8, read_picture
from selcon_training.data.ordering import spread, usable_threads
from selcon_training.errors import DataError, ResultNotWritten


def refit(
    bundle: Path,
    validation: ValidationSplit,
    negatives: Path,
    rates: FalseRates,
    out: Path,
    threads: int | None = None,
) -> tuple[Manifest, Fitted]:
    """Fit the confidence of `bundle` for false rates (see `fit_for_rate`) and write it so to `out`.

    Scenes are the split and its siblings without the action and of clutter, real pictures those of
    `negatives`. Graphs stay as they are, byte for byte. The split's `limit` takes that many scenes, evenly
    spread, and as many of clutter. Raises DataError for a test split, too few pictures and scenes without any
    action, and ResultNotWritten, with the fit, where the bundle cannot be written.
    """
    data, split = validation.open(), validation.split
    given = load_bundle(bundle)
    pool = open_negatives(negatives, rates.real, given.manifest.input_size, threads or usable_threads())
    grounder = Grounder(given, open_on_cpu(given, CpuOptions(threads)))
    actions = grounder.actions

    def ask(images: Sequence[U8]) -> list[list[float]]:
        found = [grounder.ground(image) for image in images]
        return [grounding.evidence.tolist() for grounding in found]

    bar = tqdm(_spread(scenes(data, split, actions), validation.limit), desc=split, unit="image")
    evidence = Evidence.of([(scene, ask([read_picture(scene.path)])[0]) for scene in bar])
    numbered = ((number, pool[number]) for number in range(len(pool)))
    seen = tqdm(numbered, desc="negative pictures", total=len(pool), unit="image")
    fitted = fit_for_rate(evidence, np.asarray(of_negatives(seen, ask)), actions, rates)
    if fitted is None:
        raise DataError(f"{data.base / split / 'GT'} shows none of the actions: there is nothing to fit to")
    record = {"data": data.name, "divide": validation.divide, "split": split, **fitted.record}
    metrics = given.manifest.metrics | {"confidence": record}
    changed = replace(given.manifest, confidence=fitted.confidence, metrics=metrics)
    try:
        return write_bundle(out, changed, given.files), fitted
    except SelconError as error:
        raise ResultNotWritten(error, fitted) from error


def _spread(found: Sequence[EvidencePicture], limit: int | None) -> list[EvidencePicture]:
    clutter = [scene for scene in found if scene.clutter]
    return spread([scene for scene in found if not scene.clutter], limit) + spread(clutter, limit)
