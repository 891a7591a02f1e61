"""Encoders against the plain models that they are pruned from."""

import copy

import pytest
import torch
import torch.nn.functional as F

from selcon_training.encoders import DenseClip, EncoderSpec, PartEncoder, load_clip, load_dino, weights_digest
from selcon_training.errors import EncoderError
from support import nets

SIZES = [(224, 224), (288, 384)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def last_qkv(trunk, images):
    """Run the whole timm model and return its last block's query, key and value [B, heads, N, d] by a
    hook.
    """
    caught = []
    attention = trunk.blocks[-1].attn
    handle = attention.qkv.register_forward_hook(lambda module, inputs, output: caught.append(output))
    with torch.no_grad():
        trunk.forward_features(images)
    handle.remove()
    batch, count, _ = caught[0].shape
    q, k, v = caught[0].reshape(batch, count, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    return attention.q_norm(q), attention.k_norm(k), v


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [{}, {"reg_tokens": 2}, {"qk_norm": True, "qkv_bias": False}])
def test_keys_and_class_attention_are_those_of_the_last_block(size, options):
    whole = nets.vit(**options)
    encoder = PartEncoder(copy.deepcopy(whole), size).eval()
    whole.set_input_size(size)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        keys, attention = encoder(images, attention=True)
        q, k, _ = last_qkv(whole, images)
    prefix = whole.num_prefix_tokens
    # interleaved: channel = dim * heads + head
    wanted = k[:, :, prefix:].permute(0, 3, 1, 2).flatten(1, 2).unflatten(-1, encoder.grid)
    torch.testing.assert_close(keys, wanted)
    weights = ((q * whole.blocks[-1].attn.scale) @ k.transpose(-2, -1)).softmax(-1)
    torch.testing.assert_close(attention.flatten(2), weights[:, :, 0, prefix:])
    assert encoder(images)[1] is None


def test_part_encoder_takes_a_model_by_name_and_has_nothing_left_of_the_last_block():
    encoder = PartEncoder("test_vit", (160, 160))
    assert len(encoder.trunk.blocks) == 5
    assert encoder.width == 64 and encoder.grid == (10, 10)


def test_attention_without_class_token_is_refused():
    encoder = PartEncoder(nets.vit(class_token=False, global_pool="avg"), (224, 224))
    assert encoder(torch.randn(1, 3, 224, 224))[0].shape == (1, 48, 14, 14)
    with pytest.raises(EncoderError, match="no class token"):
        encoder(torch.randn(1, 3, 224, 224), attention=True)


def clear_clip(model, images):
    """ClearCLIP written down on a whole open_clip model, block by block."""
    visual = model.visual
    x = visual._embeds(images)
    for block in visual.transformer.resblocks[:-1]:
        x = block(x)
    last = visual.transformer.resblocks[-1]
    attention = last.attn
    qkv = F.linear(last.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
    q, _, v = qkv.chunk(3, dim=-1)
    q, v = (t.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for t in (q, v))
    weights = (q @ q.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
    x = attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
    return F.normalize(visual.ln_post(x)[:, 1:] @ visual.proj, dim=-1)


def test_dense_clip_is_clear_clip_at_the_models_own_size():
    model = nets.clip_model()
    encoder = DenseClip(copy.deepcopy(model), (224, 224), tokenizer=nets.tokenizer())
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        patches = encoder(images)
        wanted = clear_clip(model, images)
    torch.testing.assert_close(patches.flatten(2).transpose(1, 2), wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(encoder.tower.positions, model.visual.positional_embedding)


def test_dense_clip_resizes_positions_as_open_clip_does():
    from open_clip.model import resize_pos_embed

    model = nets.clip_model()
    encoder = DenseClip(copy.deepcopy(model), (288, 384), tokenizer=nets.tokenizer())
    larger = nets.CLIP(
        24, nets.OPEN_CLIP_TOWER | {"image_size": (288, 384)}, nets.TEXT, quick_gelu=True
    ).eval()
    state = model.state_dict()
    resize_pos_embed(state, larger)
    larger.load_state_dict(state)
    images = torch.randn(1, 3, 288, 384)
    with torch.no_grad():
        patches = encoder(images)
        wanted = clear_clip(larger, images)
    assert patches.shape == (1, 24, 18, 24)
    torch.testing.assert_close(patches.flatten(2).transpose(1, 2), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", ["avg", "token"])
@pytest.mark.parametrize("size", [(160, 160), (288, 384)])
def test_dense_clip_over_a_timm_tower(pool, size):
    model = nets.timm_clip_model(pool)
    encoder = DenseClip(copy.deepcopy(model), size, tokenizer=nets.tokenizer()).eval()
    trunk = model.visual.trunk
    trunk.set_input_size(size)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        patches = encoder(images)
        q, _, v = last_qkv(trunk, images)
        weights = (q @ q.transpose(-2, -1) * trunk.blocks[-1].attn.scale).softmax(-1)
        x = trunk.blocks[-1].attn.proj((weights @ v).transpose(1, 2).flatten(2))[:, trunk.num_prefix_tokens :]
        wanted = F.normalize(model.visual.head(trunk.fc_norm(trunk.norm(x))), dim=-1)
    torch.testing.assert_close(patches.flatten(2).transpose(1, 2), wanted, rtol=1e-4, atol=1e-5)
    assert patches.shape[-2:] == (size[0] // 16, size[1] // 16)


def test_text_features_are_the_models_own_and_can_be_dropped():
    model = nets.clip_model()
    texts = ["an item to cut_with", "a person hold an item"]
    with torch.no_grad():
        wanted = F.normalize(model.encode_text(nets.tokenizer()(texts)), dim=-1)
    encoder = DenseClip(model, (224, 224), tokenizer=nets.tokenizer())
    torch.testing.assert_close(encoder.encode_text(texts), wanted)
    assert not any("text" in name or "token_embedding" in name for name, _ in encoder.named_parameters())
    encoder.drop_text()
    with pytest.raises(EncoderError, match="dropped"):
        encoder.encode_text(texts)


@pytest.mark.parametrize("size", [(224, 230), (0, 224), (100, 160)])
def test_sizes_that_are_no_multiple_of_the_patch_are_refused(size):
    with pytest.raises(EncoderError, match="multiple of the patch"):
        PartEncoder(nets.vit(), size)
    with pytest.raises(EncoderError, match="multiple of the patch"):
        DenseClip(nets.clip_model(), size)
    with pytest.raises(EncoderError, match="multiple of the patch"):
        DenseClip(nets.timm_clip_model(), size)


def test_models_of_other_kinds_are_refused_by_name():
    with pytest.raises(EncoderError, match="ResNet"):
        PartEncoder("test_resnet", (160, 160))
    pooled = nets.timm_clip_model()
    pooled.visual.trunk.attn_pool = torch.nn.Identity()
    rotating = nets.timm_clip_model()
    rotating.visual.trunk = nets.shallow("vit_small_patch16_dinov3")
    for model, told in ((pooled, "attention pooling"), (rotating, "is a Eva")):
        with pytest.raises(EncoderError, match=f"{told}.*ViT-B-16-quickgelu.*selcon encoders list"):
            DenseClip(model, (160, 160))
    with pytest.raises(EncoderError, match="ModifiedResNet"):
        DenseClip(nets.CLIP(24, {"layers": (1, 1, 1, 1), "width": 64, "image_size": 64}, nets.TEXT), (64, 64))


def test_loading_from_files_is_strict_and_fingerprinted(tmp_path):
    from safetensors.torch import save_file

    source = nets.named_vit()
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    torch.save(source.state_dict(), tmp_path / "a.pt")
    digest = weights_digest(source)
    for ending in ("safetensors", "pt"):
        encoder = load_dino(EncoderSpec("test_vit", str(tmp_path / f"a.{ending}"), digest), (160, 160))
        assert encoder.spec.sha256 == digest and encoder.name == "test_vit"
    with pytest.raises(EncoderError, match="digest"):
        load_dino({"name": "test_vit", "weights": str(tmp_path / "a.pt"), "sha256": "0" * 64}, (160, 160))
    state = source.state_dict()
    state["surplus"] = state.pop("cls_token")
    state["pos_embed"] = state["pos_embed"][:, 1:].clone()
    save_file(state, tmp_path / "b.safetensors")
    with pytest.raises(EncoderError) as caught:
        load_dino({"name": "test_vit", "weights": str(tmp_path / "b.safetensors")}, (160, 160))
    for line in ("missing: cls_token", "extra: surplus", "misshapen: pos_embed"):
        assert line in str(caught.value)


def test_a_pickle_that_runs_code_is_not_loaded(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(EncoderError, match="not a file of weights that can be read safely"):
        load_dino({"name": "test_vit", "weights": str(tmp_path / "evil.pt")}, (160, 160))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("load", "spec", "message"),
    [
        (load_dino, {"name": "no_such_vit"}, "timm knows no model"),
        (load_dino, {"name": "test_vit", "weights": "openai"}, "give a file, 'pretrained', or null"),
        (load_dino, {"name": "test_vit", "weights": "gone.pt"}, "no such weights file: gone.pt"),
        (load_dino, {"nom": "test_vit"}, "name, weights and sha256"),
        (load_clip, {"name": "No-Such-Clip"}, "open_clip knows no model"),
        (load_clip, {"name": "ViT-B-16", "weights": "no_such_tag"}, "neither a file nor one of its tags"),
    ],
)
def test_specs_that_cannot_be_met_say_why(load, spec, message):
    with pytest.raises(EncoderError, match=message):
        load(spec, (160, 160))


@pytest.mark.parametrize(
    ("load", "spec"),
    [
        (load_dino, {"name": "vit_tiny_patch16_224.augreg_in21k", "weights": "pretrained"}),
        (load_clip, {"name": "ViT-B-32", "weights": "laion2b_e16"}),
    ],
)
def test_a_hub_out_of_reach_says_how_to_give_a_local_file(load, spec, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="local file"):
        load(spec, (224, 224))


def test_clip_loads_by_name(tmp_path):
    name = nets.register_small_clip(tmp_path)
    model = nets.clip_model()
    torch.save(model.state_dict(), tmp_path / "clip.pt")
    encoder = load_clip({"name": name, "weights": str(tmp_path / "clip.pt")}, (64, 96))
    assert encoder.spec.sha256 == weights_digest(model)
    assert encoder.encode_text(["an item to pour with"]).shape == (1, 24)
