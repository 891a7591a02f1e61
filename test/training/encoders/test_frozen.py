"""How frozen encoders run: precision, compilation, chunks; and that a step never waits for the device."""

import shutil
from dataclasses import replace

import pytest
import torch

from selcon_training.config import ConfigError
from selcon_training.config.encoders import EncodersConfig
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.encoders import DenseClip, PartEncoder, frozen
from selcon_training.encoders.frozen import FrozenPass
from selcon_training.losses.weak import WeakStep, weak_losses
from selcon_training.models.selcon_net import SelconNet
from selcon_training.training.factory import frozen_pass
from support.nets import ACTIONS, clip_model, small_net, tokenizer, vit

CPU = torch.device("cpu")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: run on a machine with one")
NAMES = ("parts", "patches", "saliency")


def distance(found, wanted):
    """Return the largest relative distance of parts and patches."""
    pairs = [(getattr(found, name), getattr(wanted, name)) for name in NAMES[:2]]
    return max(((a - b).norm() / b.norm()).item() for a, b in pairs)


def test_images_in_chunks_give_what_they_give_alone(monkeypatch):
    monkeypatch.setattr(frozen, "CPU_CHUNK_IMAGES", 2)
    net, images = small_net(), torch.randn(5, 3, 64, 96)
    together = net.features(images, saliency=True)
    for number in range(5):
        alone = net.features(images[number : number + 1], saliency=True)
        for name in NAMES:
            torch.testing.assert_close(
                getattr(together, name)[number], getattr(alone, name)[0], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_half_precision_is_near_and_gives_float32(dtype, bound):
    net, images = small_net(), torch.randn(3, 3, 64, 96)
    exact = net.features(images, saliency=True)
    net.frozen_pass = FrozenPass(dtype)
    found = net.features(images, saliency=True)
    assert all(getattr(found, name).dtype == torch.float32 for name in NAMES)
    assert 1e-5 < distance(found, exact) < bound


def test_the_precision_of_the_heads_does_not_reach_frozen_encoders():
    net, images = small_net(), torch.randn(2, 3, 64, 96)
    exact = net.features(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert distance(net.features(images), exact) < 1e-6
        net.train_encoders(True)
        assert distance(net.features(images), exact) > 1e-4  # those that learn follow it


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++: apt-get install g++")
def test_compiled_encoders_give_the_same_features():
    torch.manual_seed(0)
    # As shallow as they can be: compiling takes long, and every block is compiled as the one before it.
    clip = DenseClip(clip_model(layers=2), (64, 96), tokenizer=tokenizer())
    net = SelconNet(clip, PartEncoder(vit(depth=1), (64, 96)), ACTIONS).eval()
    images = torch.randn(2, 3, 64, 96)
    exact = net.features(images, saliency=True)
    net.frozen_pass = FrozenPass(compiled=True)
    assert distance(net.features(images, saliency=True), exact) < 1e-4


def test_on_a_cpu_auto_is_float32_uncompiled(monkeypatch):
    assert frozen_pass(EncodersConfig(), CPU) == FrozenPass(torch.float32, compiled=False)
    assert frozen_pass(EncodersConfig(precision="bf16"), CPU).dtype == torch.bfloat16
    assert frozen_pass(EncodersConfig.model_validate({"compile": True}), CPU).compiled  # YAML's `on`
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match="encoders.compile = 'on'.*C\\+\\+ compiler"):
        frozen_pass(EncodersConfig(compile="on"), CPU)


@GPU
def test_a_step_does_not_wait_for_the_gpu():
    device = torch.device("cuda")
    net = small_net().to(device)
    net.frozen_pass = frozen_pass(EncodersConfig(compile="off"), device)
    images = torch.randn(8, 3, 64, 96, device=device)
    labels = torch.tensor([0, 1], device=device)

    def step():
        found = net.features(images, saliency=True)
        ego, exo = (
            replace(found, **{name: getattr(found, name)[part] for name in NAMES})
            for part in (slice(2), slice(2, None))
        )
        step = WeakStep(ego, exo, labels, generator=torch.Generator().manual_seed(0))
        weak_losses(net, step, WeakObjectiveConfig())["loss"].backward()

    step()  # the first one sets up libraries
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@GPU
def test_on_a_gpu_auto_is_half_precision_and_near():
    net, images = small_net(), torch.randn(3, 3, 64, 96)
    exact = net.features(images)
    device = torch.device("cuda")
    net.to(device).frozen_pass = frozen_pass(EncodersConfig(), device)
    assert net.frozen_pass.dtype in (torch.bfloat16, torch.float16)
    found = net.features(images.to(device))
    assert distance(replace(found, parts=found.parts.cpu(), patches=found.patches.cpu()), exact) < 3e-2
