"""Feature statistics that pictures of a training batch lend each other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.encoders.backbone import Backbone, load_backbone
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import EncoderError
from selcon_training.models.style_mixing import mixed, mixed_styles


def statistics(features):
    deviation, mean = torch.std_mean(features, dim=(2, 3), correction=0)
    return torch.cat([mean, deviation], 1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 6), st.sampled_from([0.3, 1.0]))
def test_statistics_lie_between_two_pictures_and_places_stay(seed, count, share):
    torch.manual_seed(seed)
    spread = 0.3 + 3 * torch.rand(count, 5, 1, 1)
    features = torch.randn(count, 5, 6, 7) * spread + torch.randn(count, 5, 1, 1)
    made = mixed(features, share)
    before, after = statistics(features), statistics(made)
    for row, (own, got) in enumerate(zip(before, after, strict=True)):
        # One λ for all channels, means and deviations alike.
        far = [
            (got - own).sub((other - own) * weight).norm()
            for other in before
            for weight in [((got - own) @ (other - own) / (other - own).square().sum().clamp(min=1e-9))]
            if -1e-4 <= weight <= 1 + 1e-4
        ]
        assert min(far) < 1e-3, row
    place = [(each - each.mean((2, 3), True)) / each.std((2, 3), keepdim=True) for each in (features, made)]
    torch.testing.assert_close(*place, atol=1e-3, rtol=1e-3)


def test_only_a_share_of_the_pictures_is_changed():
    torch.manual_seed(0)
    features = torch.randn(64, 3, 4, 4)
    assert mixed(features, 0.0).sub(features).abs().max() < 1e-5
    changed = mixed(features, 0.5).sub(features).abs().amax((1, 2, 3)) > 1e-3
    assert 10 < changed.sum() < 40
    assert 40 < (mixed(features, 1.0).sub(features).abs().amax((1, 2, 3)) > 1e-3).sum() < 64


def test_what_hardly_varies_in_a_picture_is_not_blown_up():
    torch.manual_seed(0)
    features = torch.randn(8, 3, 4, 4)
    features[0] = 5.0 + 1e-6 * features[0]
    spread = torch.stack([mixed(features, 1.0)[0].std((1, 2)) for _ in range(20)])
    assert spread.max() < 0.01


def test_gradients_flow_through_the_places_and_not_through_the_statistics():
    torch.manual_seed(0)
    features = torch.randn(8, 3, 4, 4, requires_grad=True)
    made = mixed(features, 1.0)
    (grad,) = torch.autograd.grad(made[3].sum(), features)
    assert grad[3].abs().min() > 0 and not grad[[0, 1, 2, 4, 5, 6, 7]].any()


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "convnext_atto"])
def test_the_stages_of_a_backbone_are_found_and_mixed_for_as_long_as_asked(name):
    torch.manual_seed(0)
    backbone = load_backbone(EncoderSpec(name, None, None)).eval()
    ends = backbone.ends((64, 64))
    images = torch.randn(4, 3, 64, 64)
    seen = []
    hooks = [end.register_forward_hook(lambda _end, _given, output: seen.append(output)) for end in ends]
    plain = backbone(images)
    assert len(seen) == len(plain) and all(a is b for a, b in zip(seen, plain, strict=True))
    for hook in hooks:
        hook.remove()
    with mixed_styles(ends[:2], 1.0):
        other = backbone(images)
    assert all(not torch.allclose(a, b, atol=1e-4) for a, b in zip(plain, other, strict=True))
    assert all(a.equal(b) for a, b in zip(plain, backbone(images), strict=True))


def test_a_backbone_whose_feature_maps_are_no_modules_output_is_refused():
    class Added(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model
            self.feature_info, self.pretrained_cfg = model.feature_info, model.pretrained_cfg

        def forward(self, images):
            return [features + 1 for features in self.model(images)]

    spec = EncoderSpec("resnet18", None, None)
    with pytest.raises(EncoderError, match=r"resnet18: .* feature map of stride 4"):
        Backbone(Added(load_backbone(spec).model), spec).ends((64, 64))
