"""Test-time averaging: what is averaged, with shared weights, and the exported graph."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_training.encoders import DenseClip, PartEncoder
from selcon_training.errors import CheckpointError, EncoderError
from selcon_training.export import bundle as exporting
from selcon_training.models.checkpoint import save_model
from selcon_training.models.network import evaluating
from selcon_training.models.selcon_net import SelconNet
from selcon_training.models.test_time_averaging import NO_AVERAGING, Averaging, averaged, resized
from selcon_training.training.validation import predict
from support import nets

SIZE = (64, 96)
NATIVE = (224, 224)  # that of the small encoders' own position embeddings


@pytest.fixture(scope="module", params=[False, True], ids=["open_clip", "timm"])
def net(request):
    return nets.small_net(SIZE, timm_tower=request.param, cam_activation="sigmoid", upscale=2)


@pytest.fixture
def images():
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))


def test_without_averaging_the_network_is_itself(net):
    assert averaged(net, NO_AVERAGING) is net and averaged(net, Averaging(scales=(1,))) is net


def test_a_mirrored_picture_gives_the_mirrored_maps(net, images):
    with torch.no_grad():
        seen = averaged(net, Averaging(flip=True))
        for ours, mirrored, plain in zip(seen(images), seen(images.flip(-1)), net(images), strict=True):
            torch.testing.assert_close(ours, mirrored.flip(-1))
            assert (ours - plain).abs().max() > 1e-3 * plain.abs().max()
        for ours, plain, turned in zip(seen(images), net(images), net(images.flip(-1)), strict=True):
            torch.testing.assert_close(ours, (plain + turned.flip(-1)) / 2)


def test_another_size_is_the_network_built_for_it():
    """From the encoders' own size, resampling once or by way of the network is the same."""
    for timm_tower in (False, True):
        small = nets.small_net(NATIVE, timm_tower=timm_tower)
        torch.manual_seed(0)
        clip = nets.timm_clip_model() if timm_tower else nets.clip_model()
        size = (96, 160)
        wide = SelconNet(
            DenseClip(clip, size, tokenizer=nets.tokenizer()), PartEncoder(nets.vit(), size), nets.ACTIONS
        ).eval()
        wide.heads.load_state_dict(small.heads.state_dict())
        if timm_tower:  # its own size is 160
            wide.clip.tower.trunk.pos_embed = resized(small, size).clip.tower.trunk.pos_embed
        images = torch.randn(1, 3, *size)
        with torch.no_grad():
            for ours, theirs in zip(resized(small, size)(images), wide(images), strict=True):
                assert ours.shape == (1, 3, 6, 10)
                torch.testing.assert_close(ours, theirs)


def test_scales_are_averaged_on_the_networks_own_grid(net, images):
    with torch.no_grad():
        both = averaged(net, Averaging(scales=(1.0, 1.3)))(images)
        larger = resized(net, (80, 128))(F.interpolate(images, (80, 128), mode="bilinear"))
        for ours, plain, other in zip(both, net(images), larger, strict=True):
            assert ours.shape == plain.shape == (2, 3, 8, 12) and other.shape == (2, 3, 10, 16)
            other = F.interpolate(other, (8, 12), mode="bilinear")
            torch.testing.assert_close(ours, (plain + other) / 2)


def test_weights_are_shared_and_the_network_stays_as_it_was(net, images):
    with torch.no_grad():
        before = net(images)
        other = resized(net, (96, 160))
        own = {id(tensor) for tensor in [*net.parameters(), *net.buffers()]}
        fresh = [name for name, tensor in other.named_parameters() if id(tensor) not in own]
        assert len(fresh) == 2 and all("pos" in name for name in fresh)
        for ours, theirs in zip(net(images), before, strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ((), "must be factors"),
        ((0.0, 1.0), "must be factors"),
        ((float("nan"),), "must be factors"),
        ((1.0, 1.01), "each must be another one"),
    ],
)
def test_scales_that_make_no_sense_are_refused(net, scales, message):
    with pytest.raises(EncoderError, match=message):
        averaged(net, Averaging(scales=scales))


@pytest.mark.parametrize(
    ("timm_tower", "averaging"), [(False, Averaging(True, (0.5, 1.0))), (True, Averaging(scales=(1.5,)))]
)
def test_the_graph_averages_too_and_holds_the_weights_once(tmp_path, timm_tower, averaging):
    net = nets.small_net(SIZE, timm_tower=timm_tower)
    out = tmp_path / "bundle"
    manifest = exporting.export_bundle(net, out, name="n", description="d", licence="l", averaging=averaging)
    assert manifest == load_bundle(out).manifest
    assert Averaging(**manifest.training["averaging"]) == averaging
    session = onnxruntime.InferenceSession(load_bundle(out).model)
    several = torch.randn(3, 3, *SIZE)
    for images in (several[:1], several):
        given = session.run(None, {"image": images.numpy()})
        with torch.no_grad():
            for ours, theirs in zip(given, averaged(net, averaging)(images), strict=True):
                np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)
    plain = onnx.load_from_string(exporting.export_graph(net))
    graph = onnx.load(str(out / "model.onnx"))
    assert weights(graph) < 1.3 * weights(plain)


def weights(model):
    return sum(int(np.prod(each.dims)) for each in model.graph.initializer)


def test_validation_sees_what_the_bundle_will_give(net):
    pictures = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)
    plain = list(predict(net, pictures, 2))
    seen = list(predict(net, pictures, 2, Averaging(flip=True)))
    turned = list(predict(net, np.ascontiguousarray(pictures[:, :, ::-1]), 2))
    for index in range(3):
        for ours, one, other in zip(seen[index], plain[index], turned[index], strict=True):
            np.testing.assert_allclose(ours, (one + other[..., ::-1]) / 2, atol=1e-5)
    with evaluating(averaged(net.train(), Averaging(flip=True))):
        assert not net.heads.training
    assert net.heads.training
    net.eval()


def test_a_checkpoint_says_what_to_average_and_the_command_overrides_it(tmp_path):
    from selcon_training.encoders import load_clip, load_dino

    clip = load_clip({"name": nets.register_small_clip(tmp_path)}, (64, 96))
    run = tmp_path / "run"
    small = SelconNet(clip, load_dino({"name": "test_vit"}, (64, 96)), nets.ACTIONS).eval()
    save_model(run, small, {"averaging": {"flip": True, "scales": [1.0]}})
    wanted = {
        (): {"flip": True, "scales": [1.0]},
        ("--no-flip", "--scale", "0.5"): {"flip": False, "scales": [0.5]},
    }
    for options, averaging in wanted.items():
        arguments = ["export", str(run), "--out", str(tmp_path / "b"), "--json"]
        result = CliRunner().invoke(main, [*arguments, *options])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["training"].get("averaging") == averaging
    fitted = {"confidence": {"scale": [1.0] * len(nets.ACTIONS), "offset": [0.0] * len(nets.ACTIONS)}}
    save_model(run, small, fitted)
    assert exporting.export_checkpoint(run, tmp_path / "same").confidence is not None
    # It was fitted to the peaks of other maps.
    assert exporting.export_checkpoint(run, tmp_path / "flipped", flip=True).confidence is None
    save_model(run, small, {"averaging": {"flop": True}})
    with pytest.raises(CheckpointError, match="averaging is damaged"):
        exporting.export_checkpoint(run, tmp_path / "c")


def test_a_record_is_read_back():
    averaging = Averaging(True, (1, 2))
    assert Averaging(**averaging.record()) == averaging == replace(NO_AVERAGING, flip=True, scales=(1.0, 2.0))
