"""The released code's part discovery, spelled out sample by sample, against the switches."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.config import load_config
from selcon_training.config.weak_objective import BATCH_NORM_MOMENTUM, WeakObjectiveConfig
from selcon_training.errors import ObjectiveError
from selcon_training.losses.part_discovery import PartMaps
from selcon_training.losses.released_code import averaged_parts, row_selection
from selcon_training.losses.weak import WeakStep, find_parts
from selcon_training.models.selcon_net import Features
from selcon_training.training.factory import set_batch_norm_momentum
from support import nets


@given(batch=st.integers(1, 4), views=st.integers(1, 3), seed=st.integers(0, 9))
def test_rows_of_maps_stored_in_one_list_select_the_first_rows_of_images(batch, views, seed):
    height, width = 4, 6
    maps = np.random.default_rng(seed).normal(size=(batch * views, height, width)).astype(np.float32)
    wanted = np.zeros((batch, views, height * width), bool)
    for b in range(batch):
        for n in range(views):
            cam = maps[b, n].reshape(-1)  # stored (B·E) x H x W, indexed [sample, image]
            cam = (cam - cam.min()) / (cam.max() - cam.min() + 1e-10)
            wanted[b, n, np.where(cam > 0.6)[0]] = True
    found = row_selection(torch.from_numpy(maps).unflatten(0, (batch, views)), 0.6)
    assert (found.flatten(2).numpy() == wanted).all()


def test_rows_need_as_many_rows_as_views():
    with pytest.raises(ObjectiveError, match="lower data.exocentric"):
        row_selection(torch.rand(2, 3, 2, 6), 0.6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 9))
def test_part_maps_are_averaged_with_a_softmax_of_distances(seed):
    draw = torch.Generator().manual_seed(seed)
    ego, exo = torch.randn(2, 5, 3, 4, generator=draw), torch.randn(2, 3, 5, 3, 4, generator=draw)
    centroid = F.normalize(torch.randn(2, 5, generator=draw), dim=1)
    parts = PartMaps(torch.rand(2, 3, 4), torch.rand(2, 3, 3, 4), torch.ones(2).bool(), torch.ones(2))
    found = averaged_parts(parts, centroid, ego, exo)
    for b in range(2):
        flat = exo[b].flatten(2).permute(0, 2, 1).reshape(3 * 12, 5)
        distances = torch.norm(flat - centroid[b], dim=1)
        share = torch.softmax(-distances, dim=0).reshape(3, 3, 4)
        torch.testing.assert_close(found.exo[b], (parts.exo[b] + share) / 2)
        near = torch.softmax(-torch.norm(ego[b].flatten(1).T - centroid[b], dim=1), dim=0).reshape(3, 4)
        torch.testing.assert_close(found.ego[b], (parts.ego[b] + near) / 2)
    assert found.reliable is parts.reliable and found.score is parts.score


def test_weighted_descriptors_flip_candidates_where_the_affinity_is_negative():
    draw = torch.Generator().manual_seed(0)
    ego = Features(torch.randn(1, 8, 4, 6, generator=draw), torch.zeros(1), torch.rand(1, 4, 6))
    exo = Features(torch.randn(3, 8, 4, 6, generator=draw), torch.zeros(1))
    ego_object = torch.rand(1, 4, 6, generator=draw) + 0.5
    ego_object[:, :, :2] *= -1
    cam, exo_object = torch.rand(3, 4, 6, generator=draw), torch.rand(3, 4, 6, generator=draw)

    def candidates(kind):
        config = WeakObjectiveConfig(ego_descriptors=kind)
        seeded = torch.Generator().manual_seed(0)
        step = WeakStep(ego, exo, torch.zeros(1, dtype=torch.int64), generator=seeded)
        return find_parts(step, cam, ego_object, exo_object, config, 0.6).candidates

    plain, weighted = candidates("plain"), candidates("weighted")
    torch.testing.assert_close(weighted[..., :2], -plain[..., :2])
    torch.testing.assert_close(weighted[..., 2:], plain[..., 2:])


def test_two_passes_through_a_batch_norm_are_one_with_the_momentum_of_two():
    twice, once = (nets.small_net((64, 96), seed=0).train() for _ in range(2))
    once.load_state_dict(twice.state_dict())
    set_batch_norm_momentum(once, BATCH_NORM_MOMENTUM)
    parts = torch.randn(4, 48, 4, 6)
    for net, passes in ((twice, 2), (once, 1)):
        for _ in range(passes):
            net.heads.ego(parts)
    for name, value in twice.heads.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(once.heads.state_dict()[name], value)


def test_the_official_variant_fills_in_what_is_not_named(tmp_path):
    path = tmp_path / "c.yaml"
    least = {"name": "x", "output": "runs/x", "data": {"root": "data"}, "variant": "official"}
    path.write_text(yaml.safe_dump(least))
    config = load_config(path)
    assert (config.weak.selection, config.weak.pixel_variant, config.weak.part_maps) == (
        "rows",
        "official",
        "averaged",
    )
    assert config.batch_norm_momentum == BATCH_NORM_MOMENTUM and config.weak.gamma == 0.6
    named = load_config(path, ["weak.selection=maps", "weak.gamma=0.5", "batch_norm_momentum=0.1"])
    assert (named.weak.selection, named.weak.gamma, named.weak.part_maps) == ("maps", 0.5, "averaged")
    assert named.batch_norm_momentum == 0.1
    assert load_config(path, ["variant=paper"]).weak == WeakObjectiveConfig()
