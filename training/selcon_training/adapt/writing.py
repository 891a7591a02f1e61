"""The bundle of an adapted network, with an int8 graph where that holds."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import (
    INT8_ROLE,
    Bundle,
    ConfidenceFit,
    Manifest,
    load_bundle,
    write_bundle,
)
from selcon_training.adapt.subject import Subject
from selcon_training.export.bundle import export_graph
from selcon_training.export.half_weights import stored_alike
from selcon_training.export.quantization import quantize
from selcon_training.models.pyramid import PyramidNet

MAX_TIME_SHARE = 0.9
"""int8 is kept if its time is at most this share of that of fp32."""


def write_adapted(
    subject: Subject,
    net: PyramidNet,
    fit: ConfidenceFit | None,
    result: dict[str, Any],
    out: Path,
    name: str | None,
    threads: int | None,
) -> str:
    """Write the bundle, with an int8 graph if that holds; returns what became of int8."""
    base = subject.bundle.manifest
    count, actions = len(subject.photo_set.photos), [base.actions[one] for one in subject.photo_set.actions]
    record = {
        "bundle": base.name,
        "photos": count,
        "nothing": len(subject.photo_set.negatives),
        "actions": actions,
    }
    manifest = replace(
        base,
        name=name or f"{base.name.removesuffix(', adapted')}, adapted"[:200],
        description=f"{base.description} Adapted to {count} photos ({', '.join(actions)})."[:4000],
        confidence=fit,
        training=base.training | {"synthetic": False, "adapted": record},
        metrics={"adapted": {key: result[key] for key in ("overall", "rendered", "folds", "fold_steps")}},
        files={},
    )
    files = subject.bundle.sample_files
    files["model"] = export_graph(net, affinity=False, averaging=subject.restored.averaging)
    int8, reason = _int8(subject, manifest, files, threads)
    if int8 is not None:
        files[INT8_ROLE] = int8.files[INT8_ROLE]
        manifest = replace(manifest, metrics=int8.manifest.metrics)
    files["model"] = stored_alike(files["model"], subject.bundle.model, base.input_size)
    write_bundle(out, manifest, files)
    return reason


def _int8(
    subject: Subject, manifest: Manifest, files: dict[str, bytes], threads: int | None
) -> tuple[Bundle | None, str]:
    """The bundle with an int8 graph, if that agrees with fp32 and is faster, and what became of it.

    Scales are taken from rendered samples and half of the photos, and measured on the other half.
    """
    photos = subject.photo_set.photos
    with tempfile.TemporaryDirectory() as folder:
        names = ("fp32", "measured", "scaled", "int8")
        fp32, measured, scaled, int8 = (Path(folder) / name for name in names)
        write_bundle(fp32, manifest, files)
        for place, chosen in ((measured, photos[::2]), (scaled, [*photos[1::2], *subject.checked])):
            place.mkdir()
            for number, photo in enumerate(chosen):
                cv2.imwrite(str(place / f"{number:03d}.png"), photo.loaded.picture[:, :, ::-1])
        try:
            _, found = quantize(fp32, measured, int8, len(photos), threads=threads, calibrate=scaled)
        except SelconError as error:
            return None, f"left out: {error}"
        if found.time_ratio > MAX_TIME_SHARE:
            return None, f"left out: its time is {found.time_ratio:.2f} of that of fp32 here"
        reason = f"kept: {found.agreement}; time {found.time_ratio:.2f} of fp32"
        return load_bundle(int8), reason
