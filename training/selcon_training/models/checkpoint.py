"""A checkpoint is a folder: model.safetensors and model.json (the trainer adds its own state beside them).

Frozen encoders are kept by name and by the digest of their weights; trained or random ones are stored whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.plain_file import require_plain_file
from selcon_ros.core.grounding.manifest import Normalisation
from selcon_ros.core.text import one_line, quoted
from selcon_training.encoders import EncoderSpec, load_encoders
from selcon_training.encoders.backbone import load_backbone
from selcon_training.encoders.mismatch import mismatch
from selcon_training.encoders.weight_files import is_finite, shapes
from selcon_training.errors import CheckpointError
from selcon_training.models.network import Network
from selcon_training.models.pyramid import PyramidNet
from selcon_training.models.selcon_net import SelconNet, TextFeatures, of_encoder

FORMAT_VERSIONS = {"stretch": 1, "pad": 2}
"""By the fit in the meta: programs that know no fit read version 1 alone, and would export what stretches."""
OTHER_ACTIONS_VERSION = 3
"""Of a confidence to which other actions count: older programs would leave those out."""
WEIGHTS_FILE = "model.safetensors"
_DESCRIPTION_FILE = "model.json"
MAX_SIDE_PIXELS = 8192
"""Pixels of a side of the input; a larger one is damage, and would take all memory."""
MAX_UPSCALE, MAX_WIDTH = 4, 1024
"""Of the maps and of a decoder, as in a configuration."""


def save_model(folder: Path, net: Network, meta: Mapping[str, Any] | None = None) -> None:
    """Write `net` into `folder`; `meta` is any JSON-able description (training data, metrics) that
    `load_model` gives back.

    Encoders must come from `load_clip`, `load_dino` or `load_backbone`, so that they can be built again by
    name. Raises
    CheckpointError also where a weight is not finite, naming it; OSError where the disk is full.
    """
    folder = Path(folder)
    content = model_files(net, meta, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        write_file(folder / name, data)


def model_files(net: Network, meta: Mapping[str, Any] | None, folder: Path) -> dict[str, bytes]:
    """The files that `save_model` writes into `folder`, by name."""
    version = _format_version(meta or {})
    description = {"format_version": version, **net.description(), "meta": dict(meta or {})}
    state = {key: value.detach().cpu().contiguous() for key, value in net.stored().items()}
    refuse_not_finite(state, f"{folder / WEIGHTS_FILE} is not written")
    return {WEIGHTS_FILE: save(state), _DESCRIPTION_FILE: (json.dumps(description, indent=2) + "\n").encode()}


def _format_version(meta: Mapping[str, Any]) -> int:
    if (meta.get("confidence") or {}).get("others"):
        return OTHER_ACTIONS_VERSION
    return FORMAT_VERSIONS[meta.get("fit", "stretch")]


def load_model(folder: Path, input_size: tuple[int, int] | None = None) -> tuple[Network, dict[str, Any]]:
    """Return the network (evaluation mode, on the CPU) and the `meta` that were saved in `folder`.

    With `input_size` (height, width) it is for images of that size: frozen encoders are built for it, as for
    training with it; the position embeddings of stored ones are resampled from those of the trained size.
    Raises CheckpointError for a missing or damaged file and for weights that do not fit or are not finite,
    listing the keys; EncoderError where a frozen encoder's weights are not to be had or are others than those
    it was trained with.
    """
    folder = Path(folder)
    description = _read_description(folder)
    state = read_weights(folder)
    kind = description.get("network", "selcon")  # what older checkpoints, which do not say, hold
    if kind not in ("selcon", "pyramid"):
        raise CheckpointError(f"{folder}: network is {quoted(kind)}, this code knows selcon and pyramid")
    build = _pyramid if kind == "pyramid" else _selcon
    try:
        built = build(description, state, input_size)
        meta = dict(description["meta"])
    except SelconError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder} is not a complete checkpoint: {error!r}") from error
    net = built.net
    problem = mismatch(built.wanted, shapes(state))
    if problem is not None:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} does not fit its description:\n{problem}")
    refuse_not_finite(state, f"{folder / WEIGHTS_FILE} cannot be used")
    net.load_state_dict(state, strict=False)
    built.finish()
    size = input_size or net.input_size
    return (net if net.input_size == size else net.at_size(size)).eval(), meta


class _Built(NamedTuple):
    """A network as its description says, the shapes of the tensors that it lacks, and what is left to do
    once it has them."""

    net: Network
    wanted: dict[str, tuple[int, ...]]
    finish: Callable[[], None]


def _selcon(
    description: Mapping[str, Any], state: Mapping[str, Tensor], input_size: tuple[int, int] | None
) -> _Built:
    """The paper's network; with frozen encoders for `input_size`."""
    stored, trainable = bool(description["encoders_stored"]), bool(description["encoders_trainable"])
    clip_spec = EncoderSpec(**description["encoders"]["clip"])
    dino_spec = EncoderSpec(**description["encoders"]["dino"])
    trained_size = _size(description["input_size"])
    text = TextFeatures(state["text_action"], state["text_person"])
    actions = _actions(description)
    activation: Any = _text("cam_activation", description["cam_activation"])
    upscale = _whole("upscale", description["upscale"], MAX_UPSCALE)
    # Older checkpoints know neither of these.
    shared = bool(description.get("shared_projection", False))
    classifier: Any = _text("classifier", description.get("classifier", "linear"))
    # Stored encoders need only their architecture: their weights are in the file.
    build_clip = EncoderSpec(clip_spec.name) if stored else clip_spec
    build_dino = EncoderSpec(dino_spec.name) if stored else dino_spec
    size = trained_size if stored or input_size is None else input_size
    clip, dino = load_encoders(build_clip, build_dino, size)
    clip.drop_text()
    net = SelconNet(clip, dino, actions, text, activation, upscale, shared, classifier)
    net.clip.spec, net.dino.spec = clip_spec, dino_spec
    wanted = {k: tuple(v.shape) for k, v in net.state_dict().items() if stored or not of_encoder(k)}
    return _Built(net, wanted, lambda: net.train_encoders(trainable))


def _pyramid(
    description: Mapping[str, Any], state: Mapping[str, Tensor], input_size: tuple[int, int] | None
) -> _Built:
    """A convolutional network for `input_size`."""
    spec = EncoderSpec(**description["backbone"])
    learning = [_text("learning", each) for each in description["learning"]]
    width = _whole("width", description["width"], MAX_WIDTH)
    actions, size = _actions(description), _size(description["input_size"])
    backbone = load_backbone(EncoderSpec(spec.name))  # its weights are in the file
    backbone.spec = spec
    backbone.normalisation = Normalisation(
        **{name: _channels(name, description["normalisation"][name]) for name in ("mean", "std")}
    )
    net = PyramidNet(backbone, actions, input_size or size, width)
    earlier = description.get("earlier", {})
    net.earlier = earlier if isinstance(earlier, dict) else {}
    return _Built(net, shapes(net.state_dict()), lambda: net.learn(learning))


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint's folder by name. Raises CheckpointError if they are missing or damaged."""
    path = folder / WEIGHTS_FILE
    require_plain_file(path, CheckpointError)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, MemoryError) as error:
        raise CheckpointError(f"{path} cannot be read: {one_line(str(error))}") from error


def refuse_not_finite(state: Mapping[str, Tensor], refusal: str) -> None:
    """Raise CheckpointError, `refusal` and the names, if a tensor holds a NaN or an infinity."""
    bad = [name for name, value in state.items() if not is_finite(value)]
    if bad:
        listed = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise CheckpointError(f"{refusal}: NaN or infinite: {listed}")


def _size(value: Any) -> tuple[int, int]:
    """A stored input size. Raises TypeError or ValueError."""
    height, width = value
    return _whole("a side of input_size", height, MAX_SIDE_PIXELS), _whole(
        "a side of input_size", width, MAX_SIDE_PIXELS
    )


def _actions(description: Mapping[str, Any]) -> list[str]:
    return [_text("actions", each) for each in description["actions"]]


def _channels(what: str, value: Any) -> tuple[float, float, float]:
    """Three stored numbers, one per colour. Raises TypeError or ValueError."""
    red, green, blue = (float(each) for each in value)
    if not all(math.isfinite(each) for each in (red, green, blue)) or (what == "std" and min(value) <= 0):
        raise ValueError(f"{what} is {quoted(value)}")
    return red, green, blue


def _whole(what: str, value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(f"{what} is {quoted(value)}, not a whole number of 1 to {most}")
    return value


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what}: {quoted(value)} is no text")
    return value


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / _DESCRIPTION_FILE
    if not path.is_file():
        raise CheckpointError(f"no checkpoint in {folder}: {_DESCRIPTION_FILE} is missing")
    description = read_object(path, CheckpointError, finite=False)
    version = description.get("format_version")
    if type(version) is not int or not 1 <= version <= OTHER_ACTIONS_VERSION:
        raise CheckpointError(
            f"{path}: format_version is {quoted(version)}, this code reads 1 to {OTHER_ACTIONS_VERSION}"
        )
    return description
