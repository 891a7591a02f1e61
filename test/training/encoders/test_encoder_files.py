"""Weights from the files that people have, and what is said when one does not do."""

import argparse
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from selcon_training.encoders import load_clip, load_dino, weights_digest
from selcon_training.encoders.mismatch import mismatch
from selcon_training.encoders.weight_files import dino_weights, is_finite, load_strictly, read_state_dict
from selcon_training.errors import EncoderError
from support import nets

SIZE = (160, 160)
ONE = torch.ones(1)


@pytest.fixture
def dino():
    torch.manual_seed(0)
    return nets.named_vit()


@pytest.fixture
def clip(tmp_path):
    torch.manual_seed(0)
    return nets.register_small_clip(tmp_path), nets.clip_model()


def prefixed(prefix, model):
    return {prefix + key: value for key, value in model.state_dict().items()}


def as_training_checkpoint(model, wrapper=""):
    """What DINO's main_dino.py saves: weights under backbone., a projection head, the arguments."""
    head = {wrapper + "head.mlp.0.weight": torch.zeros(2, 2)}
    other = {key: value + 1 for key, value in prefixed("module.backbone.", model).items()}
    return {
        "student": other,
        "teacher": prefixed(wrapper + "backbone.", model) | head,
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_small", patch_size=16),
        "dino_loss": {"center": torch.zeros(1, 4)},
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda model: model.state_dict(),
        lambda model: model.state_dict() | {"head.weight": torch.zeros(3, 64), "head.bias": torch.zeros(3)},
        lambda model: prefixed("module.", model),
        lambda model: {"model": model.state_dict(), "epoch": 1},
        lambda model: as_training_checkpoint(model),
        lambda model: as_training_checkpoint(model, "module."),
        lambda model: prefixed("vit_model.", model) | {"net.visual.proj": ONE, "aff_proj.fc1.bias": ONE},
    ],
    ids=["timm", "with a classifier", "parallel", "nested", "teacher", "parallel teacher", "the authors'"],
)
def test_a_part_encoder_is_the_same_from_every_kind_of_file(tmp_path, dino, make):
    torch.save(make(dino), tmp_path / "dino.pth")
    encoder = load_dino({"name": "test_vit", "weights": str(tmp_path / "dino.pth")}, SIZE)
    assert encoder.spec.sha256 == weights_digest(dino)


@pytest.mark.parametrize(
    "make",
    [
        lambda model: model.state_dict(),
        lambda model: {"state_dict": prefixed("module.", model), "epoch": 3, "name": "a run"},
        lambda model: model.state_dict() | {"input_resolution": ONE, "vocab_size": ONE},
        lambda model: (
            prefixed("net.", model)
            | {"net.logit_scale": model.logit_scale.detach()[None], "vit_model.cls_token": ONE}
        ),
    ],
    ids=["open_clip", "training checkpoint", "OpenAI", "the authors'"],
)
def test_a_clip_is_the_same_from_every_kind_of_file(tmp_path, clip, make):
    name, model = clip
    torch.save(make(model), tmp_path / "clip.pt")
    encoder = load_clip({"name": name, "weights": str(tmp_path / "clip.pt")}, (64, 96))
    assert encoder.spec.sha256 == weights_digest(model)


def test_half_precision_weights_become_those_of_a_float_model(tmp_path, clip):
    name, model = clip
    model.load_state_dict({key: value.half() for key, value in model.state_dict().items()})
    torch.save({key: value.half() for key, value in model.state_dict().items()}, tmp_path / "clip.pt")
    encoder = load_clip({"name": name, "weights": str(tmp_path / "clip.pt")}, (64, 96))
    assert encoder.spec.sha256 == weights_digest(model)


def as_published_by_meta(model):
    """The names of DINOv2's and DINOv3's own files; the position of the class token is theirs to add."""
    renamed = {"gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma", "reg_token": "storage_tokens"}
    state = {}
    for key, value in model.state_dict().items():
        for ours, theirs in renamed.items():
            key = key.replace(ours, theirs) if hasattr(model, "rope") else key
        state[key] = value
    width = model.embed_dim
    if hasattr(model, "rope"):
        state["rope_embed.periods"] = torch.ones(2)
        for block in range(len(model.blocks)):
            state[f"blocks.{block}.attn.qkv.bias"] = torch.zeros(3 * width)
            state[f"blocks.{block}.attn.qkv.bias_mask"] = torch.zeros(3 * width)
    elif model.reg_token is not None:
        place = torch.ones(1, 1, width)
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.cat([place, state["pos_embed"]], dim=1)
        state["cls_token"] = state["cls_token"] - place
    return state | {"mask_token": torch.zeros(1, width)}


@pytest.mark.parametrize(
    "name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3"]
)
def test_the_later_dinos_own_files(name):
    source, model = nets.shallow(name), nets.shallow(name)
    load_strictly(model, dino_weights(as_published_by_meta(source), model, name), "x")
    for key, value in source.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, msg=key)


def test_biases_that_a_model_has_no_place_for_are_not_dropped():
    name = "vit_small_patch16_dinov3"
    model = nets.shallow(name)
    state = as_published_by_meta(model)
    state["blocks.1.attn.qkv.bias"][50] = 1.0  # of the keys: masked in the original
    dino_weights(state, model, name + ".tag")
    state["blocks.1.attn.qkv.bias"][0] = 1.0
    with pytest.raises(EncoderError, match=r"blocks\.1\.attn\.qkv\.bias .* name it \w+_dinov3_qkvb\.tag"):
        dino_weights(state, model, name + ".tag")


def test_a_patch_of_another_size_is_not_resampled_in_silence():
    model = nets.shallow("vit_small_patch16_224")
    state = as_published_by_meta(nets.shallow("vit_small_patch14_dinov2"))
    with pytest.raises(EncoderError, match=r"misshapen: patch_embed\.proj\.weight"):
        load_strictly(model, dino_weights(state, model, "x"), "x")


def test_openai_weights_need_openais_activation(tmp_path, clip):
    name = nets.register_small_clip(tmp_path, "selcon-test-gelu", quick_gelu=False)
    torch.save(clip[1].state_dict() | {"input_resolution": ONE}, tmp_path / "clip.pt")
    with pytest.raises(EncoderError, match="name the model selcon-test-gelu-quickgelu"):
        load_clip({"name": name, "weights": str(tmp_path / "clip.pt")}, (64, 96))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_archive_with_code_says_how_to_turn_it_into_weights(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "ViT-B-16.pt")
    with pytest.raises(EncoderError, match=r"TorchScript archive.*python -c .*torch\.jit\.load"):
        read_state_dict(tmp_path / "ViT-B-16.pt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.safetensors", "cut"),
        ("a.pt", "cut"),
        ("a.safetensors", b""),
        ("a.pth", b"<html>Not found</html>"),
        ("a.pth", b"hello"),
        ("a.pth", b"\xff\xfe"),
    ],
)
def test_damaged_files_are_named(tmp_path, dino, name, content):
    path = tmp_path / name
    if content == "cut":
        save = save_file if name.endswith("safetensors") else torch.save
        save(dino.state_dict(), path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(
        EncoderError, match=f"{name} is not a file of weights that can be read safely: .*[a-z]+ [a-z]+ "
    ):
        load_dino({"name": "test_vit", "weights": str(path)}, SIZE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, dino, value):
    state = dino.state_dict()
    state["blocks.3.mlp.fc1.bias"][5] = value
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(EncoderError, match=r"a\.safetensors as test_vit: blocks\.3\.mlp\.fc1\.bias holds"):
        load_dino({"name": "test_vit", "weights": str(tmp_path / "a.safetensors")}, SIZE)


def test_another_architecture_is_told_in_a_few_lines(tmp_path, clip):
    save_file(clip[1].state_dict(), tmp_path / "clip.safetensors")
    with pytest.raises(EncoderError) as caught:
        load_dino({"name": "test_vit", "weights": str(tmp_path / "clip.safetensors")}, SIZE)
    message = str(caught.value)
    assert "clip.safetensors as test_vit does not fit" in message and "missing: cls_token" in message
    assert len(message.splitlines()) <= 15 and "another architecture" in message


WRAPPED = [
    "_orig_mod.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "module.module.",
    "inner",
]


def wrapped(how, model):
    """The names that torch.compile and parallel training leave; "inner": parts were wrapped one by one."""
    if how != "inner":
        return prefixed(how, model)
    return {
        key.replace("blocks.", "blocks._orig_mod.module."): value for key, value in model.state_dict().items()
    }


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("how", WRAPPED)
def test_wrappers_of_compilation_and_parallel_training_are_taken_off(tmp_path, dino, clip, how, suffix):
    save = torch.save if suffix == "pth" else save_file
    save(wrapped(how, dino), tmp_path / f"dino.{suffix}")
    encoder = load_dino({"name": "test_vit", "weights": str(tmp_path / f"dino.{suffix}")}, SIZE)
    assert encoder.spec.sha256 == weights_digest(dino)
    name, model = clip
    save(wrapped(how, model), tmp_path / f"clip.{suffix}")
    encoder = load_clip({"name": name, "weights": str(tmp_path / f"clip.{suffix}")}, (64, 96))
    assert encoder.spec.sha256 == weights_digest(model)


def test_an_averaged_model_is_taken_and_a_name_that_comes_twice_is_not(tmp_path, dino):
    averaged = torch.optim.swa_utils.AveragedModel(dino)
    torch.save(averaged.state_dict(), tmp_path / "averaged.pth")
    assert set(read_state_dict(tmp_path / "averaged.pth")) == set(dino.state_dict())
    torch.save(dino.state_dict() | prefixed("module.", dino), tmp_path / "both.pth")
    with pytest.raises(EncoderError, match=r"holds cls_token twice, as cls_token and module\.cls_token"):
        read_state_dict(tmp_path / "both.pth")


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({f"net.encoder.{n}": (2,) for n in range(300)}, "below 'net.encoder.' in the file"),
        ({f"other.{n}.w": (2,) for n in range(300)}, "another architecture"),
        ({str(n): (3,) for n in range(300)}, "the same architecture of another size"),
        ({str(n): (2,) for n in range(10)}, "or of a part of it"),
        ({}, "holds no weights"),
    ],
)
def test_a_mismatch_of_hundreds_of_keys_is_summarised_with_its_likely_cause(given, cause):
    text = mismatch({str(n): (2,) for n in range(300)}, given)
    lines = text.splitlines()
    assert len(lines) <= 14 and cause in lines[1] and "of 300" in lines[0] and max(map(len, lines)) < 120
    assert mismatch(given, given) is None


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e5m2, torch.complex64],
)
@pytest.mark.parametrize("shape", [(), (1,), (7, 5), (3, 1, 4)])
def test_one_value_that_is_no_number_is_found_wherever_it_is(dtype, shape):
    tensor = torch.arange(1, math.prod(shape) + 1).reshape(shape).to(dtype)
    assert is_finite(tensor)
    for place in np.ndindex(*shape):
        for value in (math.nan, math.inf, -math.inf):
            damaged = tensor.clone()
            damaged[place] = value
            assert not is_finite(damaged)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(0, 3),
        torch.tensor(True),
        torch.tensor([2**62]),
        torch.full((3,), torch.finfo(torch.float32).max),
    ],
)
def test_whatever_else_is_in_a_state_is_finite(tensor):
    assert is_finite(tensor)
