"""The packaged bundle from nothing: render, train with the truth maps, export.

A configuration of the paper's network has its encoders trained on the renders first. Of several
configurations of a convolutional network each goes on from the bundle of the one before; with real pictures
to fit the confidence on, the result is half-way between the last two, with a presence.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from selcon_ros.core.errors import SelconError
from selcon_tabletop.dataset import render
from selcon_tabletop.mesh_rooms import render_rooms
from selcon_tabletop.pretrain import ENCODERS, PretrainOptions, pretrain_all
from selcon_training.confidence.false_rate import FalseRates
from selcon_training.confidence.refitting import refit
from selcon_training.config import TrainConfig, load_config
from selcon_training.data.chosen_split import ValidationSplit
from selcon_training.encoders.packages import is_package, packaged_file
from selcon_training.errors import CoarseWeights
from selcon_training.export.bundle import Weights, export_checkpoint
from selcon_training.export.presence import add_presence
from selcon_training.export.quantization import quantize
from selcon_training.export.weight_average import average
from selcon_training.ranks import require_alone
from selcon_training.training.run_folder import checkpoint_folder
from selcon_training.training.trainer import Trainer

_FOLDER = Path(__file__).parents[1] / "configs"
CONFIGS = (_FOLDER / "tabletop_pyramid.yaml", _FOLDER / "tabletop_pyramid_all.yaml")
COMPARED_PICTURES = 24
"""Validation pictures that int8 is compared with fp32 on."""
FALSE_RATE = 0.03
"""So often may an action pass in a negative picture."""
SCENE_RATE = 0.1
"""The same in a scene without it, among other tools."""
CLUTTER_RATE = 0.2
"""The same in a scene of clutter: most things there can be held somehow."""
FIT_SCENES = 160
"""Validation scenes that the confidence of an averaged network is fitted on."""
AVERAGE_SHARE = 0.5
"""How far the packaged network is from the first round's to the second's (see `average`)."""
PRESENCE_PICTURES = 9600
"""Training pictures that the presence is fitted to."""
PRESENCE_NEGATIVES = 0.25
"""Share of real pictures without any action among them."""
_log = logging.getLogger(__name__)


def build(
    work: Path,
    out: Path,
    configs: Sequence[Path] = (),
    scale: float = 1.0,
    pretrain_epochs: int | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
    media: Path | None = None,
    rooms: int = 0,
) -> None:
    """Make the bundle `out`, with data and runs under `work`; what an earlier call finished is not done
    again.

    `configs`: training configurations, by default the two of the packaged bundle; `overrides` are "key=value"
    changes of each. `media`: a folder of `selcon tabletop
    media`; its meshes and pictures go into the scenes, its pictures behind objects, its textures on them, and
    its negative pictures among the training images; the confidence is fitted on those held out. `rooms`: so
    many pictures of rooms are rendered with its meshes and are backgrounds and negative pictures, too. The
    bundle of a convolutional network gets an int8 graph if that agrees with fp32; with `media` and more than
    one configuration it is half-way between the last two, with a presence. Raises SelconError where a
    stage cannot go on.
    """
    require_alone("selcon tabletop build", "render and train by their own commands, which share the work")
    data, encoders = work / "data", work / "encoders"
    given = [f"data.root={data}"]
    if media is not None:
        given += real_pictures(media, work / "rooms" if rooms else None)
    elif rooms:
        raise SelconError(f"{rooms} rooms need furniture: give a media folder, too (--media)")
    first, *others = configs or CONFIGS
    settings = load_config(first, [*given, *overrides])
    if settings.backbone is None and others:
        raise SelconError(f"{first}: another configuration can go on from a convolutional network alone")
    if settings.backbone is not None and is_package(settings.backbone.weights or ""):
        # Rendering takes hours: what is not installed is told before.
        packaged_file(settings.backbone.weights or "", settings.backbone.name)
    for config in others:  # so are mistakes in what comes after hours of training
        _fits(config, first, settings, [*given, *overrides, f"backbone.bundle={work / 'bundle_1'}"])
    render(data, scale=scale, workers=workers, media=media)
    if media is not None and rooms:
        render_rooms(media, work / "rooms", rooms)
    pictures = data / "Seen" / "valset" / "egocentric"
    if settings.backbone is None:
        _pretrain(data, encoders, pretrain_epochs)
        given += [f"encoders.{name}.weights={encoders / name}.safetensors" for name in ENCODERS]
        export_checkpoint(_trained(first, work / "dense", [*given, *overrides]), out, samples=pictures)
        return
    checkpoint = _trained(first, work / "pyramid", [*given, *overrides])
    before = None
    for number, config in enumerate(others, 2):
        before = work / f"bundle_{number - 1}"
        export_checkpoint(checkpoint, before, samples=pictures)
        run = work / f"pyramid_{number}"
        checkpoint = _trained(config, run, [*given, *overrides, f"backbone.bundle={before}"])
    if before is None or media is None:
        _halved_if_close(
            lambda weights: export_checkpoint(checkpoint, out, samples=pictures, weights=weights)
        )
        _add_int8(out, data)
        return
    last = work / f"bundle_{len(others) + 1}"
    export_checkpoint(checkpoint, last, samples=pictures)
    settings = load_config(others[-1], [*given, *overrides, f"data.negative_share={PRESENCE_NEGATIVES}"])
    half_way(before, last, out, settings, media)


def real_pictures(media: Path, rooms: Path | None = None) -> list[str]:
    """What pictures a configuration is given, as "key=value"."""
    folder = _quoted(media)
    several = folder if rooms is None else f"[{folder}, {_quoted(rooms)}]"
    return [
        f"data.backgrounds={several}",
        f"data.negatives={several}",
        f"data.textures={folder}",
        f"confidence.negatives={folder}",
        f"confidence.false_rate={FALSE_RATE}",
        f"confidence.scene_false_rate={SCENE_RATE}",
        f"confidence.clutter_false_rate={CLUTTER_RATE}",
    ]


def _quoted(path: Path) -> str:
    """A path as YAML, whatever is in its name."""
    return json.dumps(str(path), ensure_ascii=False)


def half_way(first: Path, second: Path, out: Path, settings: TrainConfig, negatives: Path) -> None:
    """Write the bundle between those of two rounds, with its own presence, int8 graph and confidence."""
    data = settings.data.root
    _halved_if_close(lambda weights: average(first, second, AVERAGE_SHARE, out, weights))
    add_presence(out, settings, PRESENCE_PICTURES, out)
    _add_int8(out, data)
    rates = FalseRates(FALSE_RATE, SCENE_RATE, CLUTTER_RATE)
    refit(out, ValidationSplit(data, "Seen", limit=FIT_SCENES), negatives, rates, out)


def _halved_if_close(write: Callable[[Weights], object]) -> None:
    """Write a bundle with its weights in 16 bits, or in 32 where those would change its maps too much."""
    try:
        write("fp16")
    except CoarseWeights as error:
        _log.warning("the bundle's weights stay in fp32: %s", error)
        write("fp32")


def _add_int8(out: Path, data: Path) -> None:
    """Add the int8 graph if it agrees with fp32."""
    pictures, calibrate = (data / "Seen" / split / "egocentric" for split in ("valset", "trainset"))
    try:
        quantize(out, pictures, out, COMPARED_PICTURES, calibrate=calibrate)
    except SelconError as error:  # the bundle without it is whole
        _log.warning("the bundle has no int8 graph: %s", error)


def _pretrain(data: Path, encoders: Path, epochs: int | None) -> None:
    """Train the encoders that are not finished."""
    missing = [name for name in ENCODERS if not (encoders / f"{name}.safetensors").is_file()]
    begun = [name for name in missing if (encoders / f"{name}.state.pt").is_file()]
    pretrain_all(missing, data, encoders, PretrainOptions(epochs=epochs), resume=begun)


def _fits(config: Path, first: Path, settings: TrainConfig, given: Sequence[str]) -> None:
    """Raise SelconError where `config` cannot go on from the network of `first`."""
    found = load_config(config, given)
    assert settings.backbone is not None and found.backbone is not None  # both have been asked for one
    pairs = {
        "backbone.name": (settings.backbone.name, found.backbone.name),
        "backbone.width": (settings.backbone.width, found.backbone.width),
        "data.fit": (settings.data.fit_in_use, found.data.fit_in_use),
        "inference": (settings.inference, found.inference),
    }
    for key, (one, other) in pairs.items():
        if one != other:
            raise SelconError(
                f"{config}: {key} is {other}, and {one} in {first}, whose network it goes on from"
            )


def _trained(config: Path, run: Path, given: Sequence[str]) -> Path:
    """Train in the folder `run` as far as is missing; returns the folder of the checkpoint."""
    settings = load_config(config, [*given, f"output={run}"])
    checkpoint = checkpoint_folder(run)
    if not Trainer(settings, resume=checkpoint.is_dir()).run():
        raise SelconError("training was stopped; the same command goes on from there")
    return checkpoint
