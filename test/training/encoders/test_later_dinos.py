"""DINOv2 and DINOv3 as part encoders, against timm's own forward pass; grids that differ from CLIP's."""

import copy
import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from selcon_training.encoders import DenseClip, PartEncoder, load_encoders
from selcon_training.errors import EncoderError
from selcon_training.export import bundle as exporting
from selcon_training.models.checkpoint import load_model, save_model
from selcon_training.models.map_ops import cosine_maps, onto_grid, saliency_map
from selcon_training.models.selcon_net import SelconNet
from selcon_training.models.test_time_averaging import Averaging, averaged, resized
from support import nets

V1, V2, V2_REGISTERS, V3 = (
    "vit_small_patch16_224.dino",
    "vit_small_patch14_dinov2.lvd142m",
    "vit_small_patch14_reg4_dinov2.lvd142m",
    "vit_small_patch16_dinov3.lvd1689m",
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def inside_last_attention(model, images):
    """What the last attention really works on: query, key before and after the rotation, [B, heads, N, d].

    The keys before it come out of the layer of queries, keys and values; those after it go into the product.
    """
    attention = model.blocks[-1].attn
    joint, products = [], []
    handle = attention.k_norm.register_forward_hook(lambda module, inputs, output: joint.append(output))
    real = F.scaled_dot_product_attention

    def noticed(q, k, v, **options):
        products.append((q, k))
        return real(q, k, v, **options)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(F, "scaled_dot_product_attention", noticed)
        model.forward_features(images)
    handle.remove()
    return joint[-1], *products[-1]


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        (V2, {}, (224, 224)),
        (V2, {}, (70, 98)),
        (V2_REGISTERS, {}, (112, 224)),
        (V3, {}, (224, 224)),
        (V3, {}, (64, 96)),
        ("vit_small_patch16_dinov3_qkvb", {}, (64, 96)),
        (V3, {"dynamic_img_size": False}, (64, 96)),
        (V3, {"qkv_fused": False}, (64, 64)),
        ("eva02_tiny_patch14_224", {}, (112, 70)),
    ],
)
def test_keys_are_taken_before_the_rotation_and_attention_after_it(name, options, size):
    whole = nets.shallow(name, **options)
    encoder = PartEncoder(copy.deepcopy(whole), size).eval()
    whole.set_input_size(size)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        descriptors, attention = encoder(images, attention=True)
    key, turned_query, turned_key = inside_last_attention(whole, images)
    prefix = whole.num_prefix_tokens
    assert prefix == (1 if name in (V2, "eva02_tiny_patch14_224") else 5)
    wanted = key[:, :, prefix:].permute(0, 3, 1, 2).flatten(1, 2).unflatten(-1, encoder.grid)
    torch.testing.assert_close(descriptors, wanted)
    assert torch.equal(key, turned_key) is (name in (V2, V2_REGISTERS))
    weights = ((turned_query * whole.blocks[-1].attn.scale) @ turned_key.transpose(-2, -1)).softmax(-1)
    torch.testing.assert_close(attention.flatten(2), weights[:, :, 0, prefix:], rtol=1e-4, atol=1e-6)


def test_six_heads_of_another_encoder_than_dino_all_count():
    images = torch.randn(1, 3, 112, 112)
    for name in (V2, V2_REGISTERS, V3, V1):
        dino = PartEncoder(nets.shallow(name), (112, 112)).eval()
        clip = DenseClip(nets.clip_model(), (112, 112), tokenizer=nets.tokenizer())
        net = SelconNet(clip, dino, nets.ACTIONS).eval()
        attention = dino(images, attention=True)[1]
        chosen, every = saliency_map(attention), saliency_map(attention, every_head=True)
        assert not torch.equal(chosen, every)
        assert torch.equal(net.features(images, saliency=True).saliency, chosen if name == V1 else every)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attn_type": "rope"}, "AttentionRope"),
        ({"rope_type": "mixed", "rope_rotate_half": False}, "differ by block"),
    ],
)
def test_other_rotations_are_refused(options, told):
    with pytest.raises(EncoderError, match=told):
        PartEncoder(nets.shallow(V3, **options), (64, 64))


def mixed_net(size=(112, 224), **options):
    """Parts on a grid of 14-pixel patches, CLIP on one of 16-pixel patches."""
    clip = DenseClip(nets.clip_model(), size, tokenizer=nets.tokenizer())
    return SelconNet(clip, PartEncoder(nets.shallow(V2_REGISTERS), size), nets.ACTIONS, **options).eval()


def test_the_networks_grid_is_the_part_encoders():
    net = mixed_net()
    images = torch.randn(2, 3, 112, 224)
    assert net.grid == (8, 16) and net.clip.grid == (7, 14)
    features = net.features(images, saliency=True)
    assert features.patches.shape == (2, 24, 8, 16) and features.saliency.shape == (2, 8, 16)
    assert torch.allclose(features.patches.norm(dim=1), torch.ones(2, 8, 16), atol=1e-5)
    cam, affinity = net(images)
    assert cam.shape == affinity.shape == (2, 3, 8, 16)
    torch.testing.assert_close(affinity, cosine_maps(features.patches, net.text_action))


def test_features_on_another_grid_lie_where_they_were():
    """A pattern that is linear across the image is the same after bilinear interpolation, edges excepted."""

    def ramp(rows, columns):
        angle = (torch.arange(columns) + 0.5) / columns
        return torch.stack([angle, 1 - angle])[None, :, None].expand(1, 2, rows, columns)

    moved = onto_grid(ramp(7, 14), (8, 16))
    torch.testing.assert_close(moved[..., 1:-1], F.normalize(ramp(8, 16), dim=1)[..., 1:-1])
    unit = F.normalize(torch.randn(1, 5, 4, 6), dim=1)
    assert onto_grid(unit, (4, 6)) is unit


def test_a_zero_patch_is_no_nan():
    assert torch.isfinite(onto_grid(torch.zeros(1, 3, 2, 2), (4, 4))).all()


@pytest.mark.parametrize(("name", "upscale"), [(V2, 2), (V3, 1)])
def test_mixed_and_rotating_networks_export(name, upscale):
    size = (112, 112)
    clip = DenseClip(nets.clip_model(), size, tokenizer=nets.tokenizer())
    net = SelconNet(clip, PartEncoder(nets.shallow(name), size), nets.ACTIONS, upscale=upscale).eval()
    content = exporting.export_graph(net, intermediates=True)  # compares with torch too
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    image = torch.randn(2, 3, *size)
    cam, affinity, keys, patches, attention = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        wanted = (*net(image), *net.dino(image, attention=True), net.patches(image))
    for given, expected in zip((cam, affinity, keys, attention, patches), wanted, strict=True):
        np.testing.assert_allclose(given, expected, rtol=1e-3, atol=1e-4)
    assert cam.shape[-2:] == net.map_grid and keys.shape[-2:] == patches.shape[-2:] == net.grid


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((224, 230), "height 224, width 224 or 336"),
        ((100, 448), "height 112, width 448"),
        ((0, 300), "height 112, width 224 or 336"),
    ],
)
def test_a_size_that_fits_one_encoder_or_none_names_the_nearest(tmp_path, size, told):
    clip = {"name": nets.register_small_clip(tmp_path)}
    with pytest.raises(EncoderError, match=f"{told} .data.input_size"):
        load_encoders(clip, {"name": "vit_small_patch14_dinov2"}, size)


def test_a_network_is_resized_in_whole_patches_of_both_encoders():
    assert resized(mixed_net(), (224, 112)).grid == (16, 8)
    with pytest.raises(EncoderError, match="height 112, width 224 or 336"):
        resized(mixed_net(), (112, 238))  # 17 patches of 14 pixels


def test_a_checkpoint_with_a_rotating_encoder_gives_the_same_network_back(tmp_path):
    clip, dino = load_encoders(
        {"name": nets.register_small_clip(tmp_path)}, {"name": "vit_small_patch16_dinov3"}, (32, 48)
    )
    net = SelconNet(clip, dino, nets.ACTIONS).eval()
    save_model(tmp_path / "run", net)
    again, _ = load_model(tmp_path / "run")
    image = torch.randn(1, 3, 32, 48)
    ours, theirs = again.features(image, saliency=True), net.features(image, saliency=True)
    torch.testing.assert_close(dataclasses.astuple(ours), dataclasses.astuple(theirs))


def test_a_rotating_encoder_is_not_asked_at_other_sizes(tmp_path):
    clip, dino = load_encoders(
        {"name": nets.register_small_clip(tmp_path)}, {"name": "vit_small_patch16_dinov3"}, (32, 48)
    )
    net = SelconNet(clip, dino, nets.ACTIONS).eval()
    averaged(net, Averaging(flip=True))
    with pytest.raises(EncoderError, match=r"rotary .* leave averaging scales at 1\.0"):
        averaged(net, Averaging(scales=(1.0, 2.0)))
