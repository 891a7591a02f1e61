"""The authors' released checkpoints: one torch file each with CLIP, DINO and the trained heads (method.md §1,
§3).

Nothing else is needed: the file holds CLIP's text encoder too, which gives the text features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast, get_args

from torch import Tensor

from selcon_ros.core.grounding.bundle import Manifest
from selcon_ros.core.grounding.manifest import Calibration
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.encoders import DenseClip, EncoderSpec, PartEncoder, weights_digest
from selcon_training.encoders.loading import bare_clip, bare_dino
from selcon_training.encoders.mismatch import mismatch
from selcon_training.encoders.weight_files import (
    OFFICIAL_CLIP,
    OFFICIAL_DINO,
    below,
    first_not_finite,
    read_state_dict,
    shapes,
)
from selcon_training.errors import CheckpointError, EncoderError
from selcon_training.export.bundle import export_bundle
from selcon_training.models.heads import Heads
from selcon_training.models.selcon_net import SelconNet

Divide = Literal["Seen", "Unseen", "HICO"]
CLIP_NAME = "ViT-B-16-quickgelu"
DINO_NAME = "vit_small_patch16_224.dino"
INPUT_SIZE = (224, 224)
_LISTS = {"Seen": "seen", "Unseen": "unseen", "HICO": "hico_iif"}
_HEADS = {  # ours: theirs; the MLP's layers are in "aff_proj"
    "ego_projection": "aff_ego_proj",
    "exo_projection": "aff_exo_proj",
    "classifier": "aff_classifier",
    "prototype_projection": "K_contrast_projection",
    "pixel_projection": "pixel_contrast_projection",
}


def import_official(path: Path, divide: Divide) -> SelconNet:
    """Return the network of a released checkpoint, for 224×224 images and the class list of `divide`.

    Only tensors are read from the file, no code. Raises CheckpointError for a file that holds none, and one
    that says which keys are missing, extra and of another shape.
    """
    if divide not in get_args(Divide):
        raise CheckpointError(f"divide must be one of {', '.join(get_args(Divide))}, got {divide!r}")
    actions = CLASS_LISTS[_LISTS[divide]]
    try:
        state = read_state_dict(Path(path))
    except EncoderError as error:
        raise CheckpointError(str(error)) from error
    clip = bare_clip(CLIP_NAME)
    dino = bare_dino(DINO_NAME)
    heads = Heads(cast(int, dino.embed_dim), len(actions))
    ours = {OFFICIAL_CLIP + key: value for key, value in clip.state_dict().items()}
    ours |= {OFFICIAL_DINO + key: value for key, value in dino.state_dict().items()}
    ours |= {_official_key(key): value for key, value in heads.state_dict().items()}
    # Scalars (a temperature, batch counters) come as [] or, from files that went through numpy, as [1].
    state = {
        key: value.reshape(()) if value.numel() == 1 and key in ours and ours[key].ndim == 0 else value
        for key, value in state.items()
    }
    problem = mismatch(shapes(ours), shapes(state))
    if problem is not None:
        other = _other_divide(state, divide)
        raise CheckpointError(f"{path} is not a released checkpoint for {divide}{other}:\n{problem}")
    damaged = first_not_finite(state)
    if damaged is not None:
        raise CheckpointError(f"{path}: {damaged} holds NaN or infinity; get the checkpoint anew")
    clip.load_state_dict(below(state, OFFICIAL_CLIP))
    dino.load_state_dict(below(state, OFFICIAL_DINO))
    heads.load_state_dict({key: state[_official_key(key)] for key in heads.state_dict()})
    # Weights None: a checkpoint made from this network stores the encoders, nobody need load them again.
    clip_spec = EncoderSpec(CLIP_NAME, None, weights_digest(clip))
    dino_spec = EncoderSpec(DINO_NAME, None, weights_digest(dino))
    dense = DenseClip(clip, INPUT_SIZE, name=CLIP_NAME)
    parts = PartEncoder(dino, INPUT_SIZE, DINO_NAME)
    net = SelconNet(dense, parts, actions)
    dense.drop_text()
    dense.spec, parts.spec = clip_spec, dino_spec
    net.heads = heads
    return net.eval()


def import_official_bundle(
    path: Path,
    divide: Divide,
    out: Path,
    calibration: Calibration = "continuous",
    gamma: float = 0.6,
    samples: Path | None = None,
) -> Manifest:
    """Write the bundle of a released checkpoint to `out` and return its manifest; errors as
    `import_official`.

    `calibration` "continuous" is what the published numbers were measured with; `samples` is as in
    `export_bundle`.
    """
    net = import_official(path, divide)
    data = "HICO-IIF" if divide == "HICO" else f"AGD20K {divide}"
    return export_bundle(
        net,
        out,
        name=f"official-{divide.lower()}",
        description=f"The authors' released checkpoint, trained on {data}. Confidence is not calibrated.",
        licence="that of the authors' checkpoint and of CLIP and DINO",
        calibration=calibration,
        gamma=gamma,
        training={"data": data, "supervision": "weak", "checkpoint_sha256": _file_digest(Path(path))},
        samples=samples,
    )


def _official_key(key: str) -> str:
    """Return the released name of a key of our heads."""
    module, rest = key.split(".", 1)
    return f"{_HEADS[module]}.{rest}" if module in _HEADS else f"aff_proj.{key}"


def _other_divide(state: Mapping[str, Tensor], asked: str) -> str:
    """Which other divide's checkpoint it is, if its number of actions tells."""
    rows = state["aff_classifier.bias"].numel() if "aff_classifier.bias" in state else None
    fits = next((divide for divide, name in _LISTS.items() if len(CLASS_LISTS[name]) == rows), None)
    return "" if fits in (None, asked) else f" (it has {rows} actions, as --divide {fits})"


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
