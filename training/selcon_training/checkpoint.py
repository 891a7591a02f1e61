"""A checkpoint is a folder: model.safetensors and model.json (the trainer adds its own state beside them).

Frozen encoders are kept by name and by the digest of their weights; trained or random ones are stored whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from selcon_ros.core.atomic_write import write_file
from selcon_ros.core.json_file import read_object
from selcon_ros.core.plain_file import require_plain_file
from selcon_ros.core.text import one_line, quoted
from selcon_training.averaging import resized
from selcon_training.encoders import EncoderSpec, load_encoders
from selcon_training.encoders.mismatch import mismatch
from selcon_training.encoders.weight_files import shapes
from selcon_training.errors import CheckpointError
from selcon_training.model import SelconNet, TextFeatures

FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"
_DESCRIPTION = "model.json"
LARGEST = 8192
"""Pixels of a side of the input; a larger one is damage, and would take all memory."""
MOST_UPSCALE = 4
"""Of the maps, as in a configuration."""


def save_model(folder: Path, net: SelconNet, meta: Mapping[str, Any] | None = None) -> None:
    """Write `net` into `folder`; `meta` is any JSON-able description (training data, metrics) that
    `load_model` gives back.

    Both encoders must come from `load_clip` and `load_dino`, so that they can be built again by name. Raises
    CheckpointError also where a weight is not finite, naming it; OSError where the disk is full.
    """
    folder = Path(folder)
    content = model_files(net, meta, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        write_file(folder / name, data)


def model_files(net: SelconNet, meta: Mapping[str, Any] | None, folder: Path) -> dict[str, bytes]:
    """The files that `save_model` writes into `folder`, by name."""
    if net.clip.spec is None or net.dino.spec is None:
        raise CheckpointError(
            "encoders must be made by load_clip and load_dino for a checkpoint to name them"
        )
    random = net.clip.spec.weights is None or net.dino.spec.weights is None  # nobody could load those again
    whole = net.encoders_trainable or random
    state = {
        k: v.detach().cpu().contiguous() for k, v in net.state_dict().items() if whole or not _of_encoder(k)
    }
    refuse_not_finite(state, f"{folder / WEIGHTS} is not written")
    description = {
        "format_version": FORMAT_VERSION,
        "actions": net.actions,
        "input_size": list(net.input_size),
        "cam_activation": net.cam_activation,
        "upscale": net.heads.upscale,
        "shared_projection": net.heads.exo_projection is None,
        "classifier": net.classifier,
        "encoders": {"clip": net.clip.spec.as_dict(), "dino": net.dino.spec.as_dict()},
        "encoders_stored": whole,
        "encoders_trainable": net.encoders_trainable,
        "meta": dict(meta or {}),
    }
    return {WEIGHTS: save(state), _DESCRIPTION: (json.dumps(description, indent=2) + "\n").encode()}


def load_model(
    folder: Path, input_size: tuple[int, int] | None = None
) -> tuple[SelconNet, dict[str, Any]]:
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
    try:
        stored, trainable = bool(description["encoders_stored"]), bool(description["encoders_trainable"])
        clip_spec = EncoderSpec(**description["encoders"]["clip"])
        dino_spec = EncoderSpec(**description["encoders"]["dino"])
        height, width = _size(description["input_size"])
        text = TextFeatures(state["text_action"], state["text_person"])
        actions = [_text("actions", each) for each in description["actions"]]
        activation: Any = _text("cam_activation", description["cam_activation"])
        meta = dict(description["meta"])
        upscale = _whole("upscale", description["upscale"], MOST_UPSCALE)
        # Older checkpoints know neither of these.
        shared = description.get("shared_projection", False)
        classifier: Any = _text("classifier", description.get("classifier", "linear"))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder} is not a complete checkpoint: {error!r}") from error
    # Stored encoders need only their architecture: their weights are in the file.
    build_clip = EncoderSpec(clip_spec.name) if stored else clip_spec
    build_dino = EncoderSpec(dino_spec.name) if stored else dino_spec
    size = input_size or (height, width)
    clip, dino = load_encoders(build_clip, build_dino, (height, width) if stored else size)
    clip.drop_text()
    try:
        net = SelconNet(clip, dino, actions, text, activation, upscale, bool(shared), classifier)
    except ValueError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    net.clip.spec, net.dino.spec = clip_spec, dino_spec
    wanted = {k: tuple(v.shape) for k, v in net.state_dict().items() if stored or not _of_encoder(k)}
    problem = mismatch(wanted, shapes(state))
    if problem is not None:
        raise CheckpointError(f"{folder / WEIGHTS} does not fit its description:\n{problem}")
    refuse_not_finite(state, f"{folder / WEIGHTS} cannot be used")
    net.load_state_dict(state, strict=False)
    net.train_encoders(trainable)
    return (net if net.input_size == size else resized(net, size)).eval(), meta


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint's folder by name. Raises CheckpointError if they are missing or damaged."""
    path = folder / WEIGHTS
    require_plain_file(path, CheckpointError)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, MemoryError) as error:
        raise CheckpointError(f"{path} cannot be read: {one_line(str(error))}") from error


def refuse_not_finite(state: Mapping[str, Tensor], refusal: str) -> None:
    """Raise CheckpointError, ``refusal`` and the names, if a tensor holds a NaN or an infinity."""
    bad = [name for name, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        listed = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise CheckpointError(f"{refusal}: NaN or infinite: {listed}")


def _size(value: Any) -> tuple[int, int]:
    """A stored input size. Raises TypeError or ValueError."""
    height, width = value
    return _whole("a side of input_size", height, LARGEST), _whole("a side of input_size", width, LARGEST)


def _whole(what: str, value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(f"{what} is {quoted(value)}, not a whole number of 1 to {most}")
    return value


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what}: {quoted(value)} is no text")
    return value


def _of_encoder(key: str) -> bool:
    return key.startswith(("clip.", "dino."))


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / _DESCRIPTION
    if not path.is_file():
        raise CheckpointError(f"no checkpoint in {folder}: {_DESCRIPTION} is missing")
    description = read_object(path, CheckpointError, finite=False)
    version = description.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path}: format_version is {version!r}, this code reads {FORMAT_VERSION}")
    return description
