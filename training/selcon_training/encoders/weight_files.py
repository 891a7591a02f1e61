"""Files of weights as they are published: read without running code, brought to timm's and open_clip's
names.

Known are timm's and open_clip's own state dicts, the original files of DINO (backbone or training
checkpoint), DINOv2, DINOv3 and OpenAI's CLIP, and the checkpoints that this paper's authors released, which
hold both.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from timm.models import eva, vision_transformer
from torch import Tensor, nn

from selcon_training.encoders.mismatch import mismatch
from selcon_training.encoders.torch_files import LeftOutArray, read_torch_file, why_unreadable
from selcon_training.errors import EncoderError

State = dict[str, Tensor]

OFFICIAL_CLIP, OFFICIAL_DINO = "net.", "vit_model."  # the encoders' prefixes in the authors' checkpoints
_WEIGHT_KEYS = ("state_dict", "model_state_dict", "teacher", "model")  # where checkpoints keep the weights
_OPENAI_ONLY = ("input_resolution", "context_length", "vocab_size")
_ORDERED = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_WRAPPERS = ("_orig_mod", "module")  # no encoder and no head has a part of such a name


def read_state_dict(path: Path) -> State:
    """Read a state dict from .safetensors, or from a torch file without running any code stored in it.

    Of a training checkpoint its weights are taken: "state_dict", "model_state_dict", DINO's "teacher", or
    "model". Names are without what torch.compile and parallel training put into them (see `unwrapped`), and
    what lies beside the tensors is left out.
    """
    if not path.is_file():
        raise EncoderError(f"no such weights file: {path}")
    if _is_torchscript(path):
        raise EncoderError(
            f"{path} is a TorchScript archive, which holds code and is not loaded (OpenAI's CLIP files are "
            'such archives). Where you trust it, turn it into weights with: python -c "import torch; '
            f"torch.save(torch.jit.load('{path}', map_location='cpu').state_dict(), 'weights.pt')\""
        )
    try:
        if path.suffix.lower() == ".safetensors":
            state: Any = load_file(path)
        else:
            state = read_torch_file(path)
    except Exception as error:  # whatever a damaged file makes of itself
        reason = why_unreadable(error)
        raise EncoderError(f"{path} is not a file of weights that can be read safely: {reason}") from None
    if isinstance(state, dict):
        state = next((state[key] for key in _WEIGHT_KEYS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict):
        raise EncoderError(f"{path} holds no state dict (names to tensors) but a {type(state).__name__}")
    arrays = [str(key) for key, value in state.items() if isinstance(value, LeftOutArray)]
    if arrays:
        raise EncoderError(
            f"{path}: {arrays[0]} is a numpy array ({len(arrays)} of its {len(state)} entries are), "
            "and only tensors are read. Where it was made, save tensors: torch.from_numpy(value)"
        )
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        named = ", ".join(str(key) for key in list(state)[:5]) or "nothing"
        raise EncoderError(f"{path} holds no state dict (names to tensors), but {named}")
    return unwrapped(tensors, path)


def unwrapped(state: State, path: Path) -> State:
    """Return `state` under the names that it had before torch.compile ("_orig_mod.") and parallel training or
    averaging ("module."), wherever in a name and in whatever order they stand.

    Raises EncoderError for two tensors that would have one name.
    """
    found: dict[str, str] = {}
    for key in state:
        own = ".".join(part for part in key.split(".") if part not in _WRAPPERS)
        if own in found:
            raise EncoderError(
                f"{path} holds {own} twice, as {found[own]} and {key}: save one network's weights alone"
            )
        found[own] = key
    if any("module" in key.split(".") for key in state):
        found.pop("n_averaged", None)  # the counter of torch's AveragedModel
    return {own: state[key] for own, key in found.items()}


def stated_encoder(path: Path) -> str | None:
    """Return the name of the encoder that a file of `selcon encoders fetch` says it holds."""
    if path.suffix.lower() != ".safetensors":
        return None
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("encoder")


def is_official(state: Mapping[str, Any]) -> bool:
    """Whether these are the weights of a checkpoint that the paper's authors released."""
    return all(any(key.startswith(prefix) for key in state) for prefix in (OFFICIAL_CLIP, OFFICIAL_DINO))


def dino_weights(state: State, model: nn.Module, name: str) -> State:
    """Return the weights of a part encoder under timm's names. Heads that `model` lacks are left out.

    Raises EncoderError where the file holds biases that the model named `name` has no place for.
    """
    if is_official(state):
        return below(state, OFFICIAL_DINO)
    state = below(state, "backbone.") or state
    own = model.state_dict()
    state = {key: value for key, value in state.items() if key in own or not key.startswith("head.")}
    patch = "patch_embed.proj.weight"
    if patch not in state or patch not in own or state[patch].shape != own[patch].shape:
        return state  # another architecture: timm's converters would resample it in silence
    if "storage_tokens" in state and isinstance(model, eva.Eva):
        return dict(eva.checkpoint_filter_fn(_without_empty_biases(state, own, name), model))
    if "mask_token" in state and isinstance(model, vision_transformer.VisionTransformer):
        return dict(vision_transformer.checkpoint_filter_fn(dict(state), model))
    return state


def clip_weights(state: State, model: nn.Module, name: str, quick_gelu: bool) -> State:
    """Return the weights of a CLIP model under open_clip's names.

    `quick_gelu` says whether the model named `name` has OpenAI's activation: no file tells in its numbers, so
    OpenAI's weights are refused for a model without it.
    """
    official = is_official(state)
    state = below(state, OFFICIAL_CLIP) if official else state
    if (official or any(key in state for key in _OPENAI_ONLY)) and not quick_gelu:
        raise EncoderError(
            f"these are OpenAI's weights, which need QuickGELU, but {name} has GELU: name the model "
            f"{name}-quickgelu"
        )
    own = model.state_dict()
    return {
        # The temperature comes as [] or, from files that went through numpy, as [1].
        key: value.reshape(own[key].shape) if key in own and value.numel() == own[key].numel() == 1 else value
        for key, value in state.items()
        if key not in _OPENAI_ONLY
    }


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load `state` into `model`; an EncoderError says which keys are missing, extra or of another shape."""
    problem = mismatch(shapes(model.state_dict()), shapes(state))
    if problem is not None:
        raise EncoderError(f"{what} does not fit:\n{problem}")
    model.load_state_dict(state)


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor."""
    return {key: tuple(value.shape) for key, value in state.items()}


def first_not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity, None where all are numbers."""
    return next((key for key, value in state.items() if not is_finite(value)), None)


def is_finite(value: Tensor) -> bool:
    """Return whether a tensor of any type and shape holds neither NaN nor infinity.

    Its least and its largest value tell it, in a twentieth of the time of `torch.isfinite` on a CPU.
    """
    if value.numel() and value.dtype in _ORDERED:
        value = torch.stack(value.aminmax())  # NaN, if there is one
    return bool(value.isfinite().all())


def below(state: Mapping[str, Tensor], prefix: str) -> State:
    """Return what `state` holds under names that start with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # no archive, or whatever a damaged one makes of itself: torch says what is wrong
        return False


def _without_empty_biases(state: Mapping[str, Tensor], own: Mapping[str, Tensor], name: str) -> State:
    """DINOv3's files have biases of zero for a model without; the keys' third is masked in all of them."""
    biases = [key for key in state if key.endswith("qkv.bias") and f"{key[:-8]}q_bias" not in own]
    for key in biases:
        query, _, value = state[key].chunk(3)
        if bool(query.any()) or bool(value.any()):
            base, dot, tag = name.partition(".")
            raise EncoderError(
                f"{key} is not zero, but {name} has no such bias: name it {base}_qkvb{dot}{tag}"
            )
    return {key: value for key, value in state.items() if key not in biases}
