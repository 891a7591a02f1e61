"""The packaged bundle from nothing: render, train with the truth maps, export.

A configuration of the paper's network has its encoders trained on the renders first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from selcon_ros.core.errors import SelconError
from selcon_tabletop.dataset import render
from selcon_tabletop.pretrain import ENCODERS, PretrainOptions, pretrain_all
from selcon_training.config import load_config
from selcon_training.encoders.packages import is_package, packaged_file
from selcon_training.export.bundle import export_checkpoint
from selcon_training.export.quantization import quantize
from selcon_training.training.run_folder import checkpoint_folder
from selcon_training.training.trainer import Trainer

CONFIG = Path(__file__).parents[1] / "configs" / "tabletop_pyramid.yaml"
MEASURED = 24
"""Validation pictures that int8 is compared with fp32 on."""
SCENE_RATE = 0.1
"""So often may an action pass in a scene without it, among other tools."""
_log = logging.getLogger(__name__)


def build(
    work: Path,
    out: Path,
    config: Path | None = None,
    scale: float = 1.0,
    pretrain_epochs: int | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
    media: Path | None = None,
) -> None:
    """Make the bundle `out`, with data and runs under `work`; what an earlier call finished is not done
    again.

    `overrides` are "key=value" changes of the training configuration. `media`: a folder of `selcon tabletop
    media`; its meshes and pictures go into the scenes, its pictures behind objects, its textures on them, and
    its pictures of nothing among the training images; the confidence is fitted on those held out. The bundle
    of a convolutional network gets an int8 graph if that agrees with fp32. Raises SelconError where a stage
    cannot go on.
    """
    data, encoders = work / "data", work / "encoders"
    given = [f"data.root={data}"]
    if media is not None:
        given += [f"data.{key}={media}" for key in ("backgrounds", "textures", "negatives")]
        given += [f"confidence.negatives={media}", f"confidence.scene_false_rate={SCENE_RATE}"]
    settings = load_config(config or CONFIG, [*given, *overrides])
    run = work / ("dense" if settings.backbone is None else "pyramid")
    if settings.backbone is not None and is_package(settings.backbone.weights or ""):
        # Rendering takes hours: what is not installed is told before.
        packaged_file(settings.backbone.weights or "", settings.backbone.name)
    render(data, scale=scale, workers=workers, media=media)
    if settings.backbone is None:
        missing = [name for name in ENCODERS if not (encoders / f"{name}.safetensors").is_file()]
        begun = [name for name in missing if (encoders / f"{name}.state.pt").is_file()]
        pretrain_all(missing, data, encoders, PretrainOptions(epochs=pretrain_epochs), resume=begun)
        given += [f"encoders.{name}.weights={encoders / name}.safetensors" for name in ENCODERS]
    settings = load_config(config or CONFIG, [*given, f"output={run}", *overrides])
    if not Trainer(settings, resume=checkpoint_folder(run).is_dir()).run():
        raise SelconError("training was stopped; the same command goes on from there")
    pictures = data / "Seen" / "valset" / "egocentric"
    if settings.backbone is None:
        export_checkpoint(checkpoint_folder(run), out, samples=pictures)
        return
    export_checkpoint(checkpoint_folder(run), out, samples=pictures, weights="fp16")
    try:
        quantize(out, pictures, out, MEASURED, calibrate=data / "Seen" / "trainset" / "egocentric")
    except SelconError as error:  # the bundle without it is whole
        _log.warning("the bundle has no int8 graph: %s", error)
