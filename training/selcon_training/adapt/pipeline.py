"""The whole of `selcon adapt`: photos in; bundle, report and figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.grounding.confidence import ConfidenceFit
from selcon_ros.core.grounding.manifest import Manifest
from selcon_training.adapt.measure import PhotoAnswer, any_published, figures
from selcon_training.adapt.photo_set import MaskedPhoto, folds
from selcon_training.adapt.report import write_report
from selcon_training.adapt.subject import Subject, prepare
from selcon_training.adapt.writing import write_adapted
from selcon_training.confidence.fitting import MIN_EXAMPLES, fit_logistic
from selcon_training.errors import AdaptError
from selcon_training.models.pyramid import PyramidNet
from selcon_training.training.process import using_threads

STEPS, FOLD_STEPS, FOLDS = 120, 45, 4


@dataclass(frozen=True)
class AdaptPlan:
    """How long is trained, and on how many folds it is measured; 0: not at all."""

    steps: int = STEPS
    folds: int = FOLDS
    fold_steps: int = FOLD_STEPS
    seed: int = 0


def adapt(
    folder: Path,
    base: Path,
    out: Path,
    report: Path,
    negatives: Path | None = None,
    name: str | None = None,
    plan: AdaptPlan | None = None,
    threads: int | None = None,
    objects: str | None = None,
) -> dict[str, Any]:
    """Adapt the bundle `base` to the photos in `folder`, write the result to `out` and a page with
    results.json into the folder `report`; returns the figures.

    "after" is measured by cross-validation: every photo by a network that has not seen it nor, with
    `objects` (see `make_photo_set`), others of its object, trained for `fold_steps` on the rest. Raises
    AdaptError where adapting would not help or, by that measure, did not (the report is written then, the
    bundle is not), DataError for bad files.
    """
    plan = plan or AdaptPlan()
    with using_threads(threads):
        subject = prepare(folder, base, negatives, objects)
        photo_set, manifest = subject.photo_set, subject.bundle.manifest
        parts = folds(photo_set.photos, plan.folds, plan.seed) if plan.folds > 1 else []
        if len(parts) == 1:
            raise AdaptError("all photos show one object, none is left to measure on: leave out --objects")
        total = plan.steps + plan.fold_steps * len(parts)
        with tqdm(total=total, unit="step", desc="adapting", dynamic_ncols=True) as bar:
            before = subject.ask(subject.restored.net, [*photo_set.photos, *photo_set.negatives])
            held = _cross_validated(subject, parts, plan, bar)
            bar.set_description("adapting to all photos")
            net = subject.learn(photo_set.photos, photo_set.negatives, plan.steps, plan.seed, bar)
    fit, refitted = _confidence(manifest, held)
    result = _figures(subject, before, held, fit, net) | {
        "bundle": str(base),
        "layout": photo_set.layout,
        "photos": len(photo_set.photos),
        "nothing": len(photo_set.negatives),
        "ignored_labels": photo_set.ignored,
        "folds": len(parts),
        "steps": plan.steps,
        "fold_steps": plan.fold_steps,
        "confidence_refitted": refitted,
    }
    worse = _worse(result)
    result |= {
        "int8": "not tried",
        "written": False,
        "fault": "adapting did not help" if worse else "stopped",
    }
    try:
        if not worse:
            result["int8"] = write_adapted(subject, net, fit, result, out, name, threads)
            result |= {"written": True, "fault": ""}
    except (SelconError, OSError) as error:
        result["fault"] = first_line(error)
        raise
    finally:  # what was measured is kept
        write_report(report, result, subject.photo_set, before, held, manifest.actions)
    if worse:
        raise AdaptError(
            f"{out} is not written, adapting did not help: {worse}. See {report / 'report.html'}: are the "
            "masks right? More photos, of more places and views, help most"
        )
    return result


def _cross_validated(
    subject: Subject, parts: list[list[int]], plan: AdaptPlan, bar: Any
) -> list[PhotoAnswer]:
    """Answers about every photo and negative picture by networks that have not seen it."""
    photos, negatives = subject.photo_set.photos, subject.photo_set.negatives
    held: list[PhotoAnswer] = []
    for number, part in enumerate(parts):
        bar.set_description(f"measuring, fold {number + 1} of {len(parts)}")
        empty = list(range(number, len(negatives), len(parts)))
        net = subject.learn(
            _without(photos, part), _without(negatives, empty), plan.fold_steps, plan.seed, bar
        )
        held += subject.ask(net, [photos[index] for index in part] + [negatives[index] for index in empty])
    return held


def _without(photos: list[MaskedPhoto], left_out: Sequence[int]) -> list[MaskedPhoto]:
    return [photo for index, photo in enumerate(photos) if index not in left_out]


def _confidence(manifest: Manifest, held: Sequence[PhotoAnswer]) -> tuple[ConfidenceFit | None, list[str]]:
    """The fit with new curves for the actions for which the photos are evidence enough, and their names."""
    action = np.array([each.action for each in held], int)
    value = np.array([each.evidence[each.action] for each in held], np.float64)
    there = np.array([each.there for each in held], np.bool_)
    curves: dict[int, tuple[float, float]] = {}
    for number in range(len(manifest.actions)):
        own = action == number
        positives = int(there[own].sum())
        if min(positives, int(own.sum()) - positives) >= MIN_EXAMPLES:
            curves[number] = fit_logistic(value[own], there[own])
    if not curves:
        return manifest.confidence, []
    given = manifest.confidence
    # A bundle without a fit gets one for all, the others' from all photos together.
    if given is not None:
        kept = list(zip(given.scale, given.offset, strict=True))
    else:
        kept = [fit_logistic(value, there)] * len(manifest.actions)
    scale, offset = zip(*(curves.get(number, curve) for number, curve in enumerate(kept)), strict=True)
    # A new curve is of the action's own evidence alone.
    others = [
        (0.0,) * len(row) if number in curves else row
        for number, row in enumerate(given.others if given is not None else ())
    ]
    names = [manifest.actions[number] for number in curves]
    return ConfidenceFit(scale, offset, tuple(others) if np.any(others) else ()), names


def _figures(
    subject: Subject,
    before: Sequence[PhotoAnswer],
    held: Sequence[PhotoAnswer],
    fit: ConfidenceFit | None,
    net: PyramidNet,
) -> dict[str, Any]:
    """Before and after: over all, by action, on negative pictures and on rendered samples."""
    manifest, photo_set = subject.bundle.manifest, subject.photo_set
    empty = {photo.name for photo in photo_set.negatives}
    sides = {"before": (before, manifest.confidence)} | ({"after": (held, fit)} if held else {})
    checks = {
        "before": (subject.ask(subject.restored.net, subject.checked), manifest.confidence),
        "after": (subject.ask(net, subject.checked), fit),
    }
    result: dict[str, Any] = {"overall": {}, "actions": {}, "nothing_published": {}}
    for side, (every, own) in sides.items():
        shown = [each for each in every if each.photo not in empty]
        result["overall"][side] = figures(shown, own)
        for action in photo_set.actions:
            asked = [each for each in shown if each.action == action]
            result["actions"].setdefault(manifest.actions[action], {})[side] = figures(asked, own)
        absent = [each for each in every if each.photo in empty]
        result["nothing_published"][side] = any_published(absent, own)
    result["rendered"] = {side: figures(*check) for side, check in checks.items()}
    return result


def _worse(result: dict[str, Any]) -> str:
    """What got worse on the photos, "" if adapting is no loss by one of the two figures."""
    sides = result["overall"]
    if "after" not in sides:
        return ""
    before, after = sides["before"], sides["after"]
    if after["right_part"] >= before["right_part"] or after["kld"] <= before["kld"]:
        return ""
    return (
        f"on photos that were held out the right part went from {100 * before['right_part']:.0f} to "
        f"{100 * after['right_part']:.0f} %, KLD from {before['kld']:.2f} to {after['kld']:.2f}"
    )
