"""Part discovery: planted clusters as the authors' code saw them, and every way to find nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.losses.kmeans import kmeans
from selcon_training.losses.part_discovery import discover, hard_masks, piou_scores, selection
from selcon_training.models.map_ops import local_mean, minmax, saliency_map, saliency_mask
from support.parity import numbers, relative


@pytest.fixture(scope="module")
def planted():
    return numbers("part_discovery_a")


def by_first_coordinate(centroids):
    return centroids[centroids[:, 0].argsort()]


def test_selection_centroids_saliency_and_scores_are_the_authors(planted):
    selected = selection(planted["exo_activation"][None], planted["gamma"])
    assert torch.equal(selected[0], planted["selected"])
    points = planted["exo_descriptors"].reshape(1, -1, 16)
    for seed in range(5):  # planted clusters: whatever the start, the answer is the same
        centroids = kmeans(points, selected.flatten(1), 3, torch.Generator().manual_seed(seed))[0]
        wanted = planted["centroids_sorted"]
        assert relative(by_first_coordinate(centroids), by_first_coordinate(wanted)) < 1e-4
    saliency = saliency_map(planted["ego_attention"][None])
    assert torch.equal(saliency_mask(saliency)[0].float(), planted["attention_mask"])
    masks = hard_masks(planted["ego_part_similarity"].reshape(1, 3, 14, 14))
    attention = planted["attention_mask"][None] > 0
    torch.testing.assert_close(
        piou_scores(masks, attention, "locate")[0], planted["piou_locate"], rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        piou_scores(masks, attention, "corrected")[0], planted["piou_corrected"], rtol=1e-4, atol=0
    )


def planted_inputs(planted, copies=1):
    ego = planted["ego_descriptors"].T.reshape(1, 16, 14, 14).repeat(copies, 1, 1, 1)
    exo = planted["exo_descriptors"].transpose(1, 2).reshape(1, 3, 16, 14, 14).repeat(copies, 1, 1, 1, 1)
    activation = planted["exo_activation"][None].repeat(copies, 1, 1, 1)
    saliency = saliency_map(planted["ego_attention"][None]).repeat(copies, 1, 1)
    return activation, ego, exo, saliency


def test_the_winning_part_is_the_one_the_saliency_agrees_with(planted):
    parts = discover(*planted_inputs(planted), generator=torch.Generator().manual_seed(0)).parts
    assert parts.reliable.all() and parts.score[0] == pytest.approx(planted["piou_locate"].max().item())
    best = planted["ego_part_similarity"][planted["piou_locate"].argmax()]
    assert relative(parts.ego[0].flatten(), best) < 1e-4
    centroid = planted["centroids_sorted"][planted["piou_locate"].argmax()]
    wanted = torch.nn.functional.cosine_similarity(planted["exo_descriptors"], centroid, dim=-1)
    assert relative(parts.exo[0].flatten(1), wanted) < 1e-4


def test_one_sample_of_a_batch_does_not_touch_another(planted):
    activation, ego, exo, saliency = planted_inputs(planted, copies=3)
    activation[1] = 0.5  # a constant map selects nothing
    saliency[2] = 0  # no object: every candidate misses it
    options = {"piou": "corrected"}
    parts = discover(
        activation, ego, exo, saliency, **options, generator=torch.Generator().manual_seed(0)
    ).parts
    alone = discover(*planted_inputs(planted), **options, generator=torch.Generator().manual_seed(0)).parts
    assert parts.reliable.tolist() == [True, False, False]
    assert parts.score[1] == 0
    torch.testing.assert_close(parts.ego[:1], alone.ego)


@pytest.mark.parametrize("pixels", [0, 1, 2, 3])
def test_fewer_than_k_descriptors_are_unreliable_and_finite(planted, pixels):
    activation, ego, exo, saliency = planted_inputs(planted)
    activation = torch.zeros_like(activation)
    activation.view(-1)[:pixels] = 1.0
    parts = discover(activation, ego, exo, saliency, alpha=0.0).parts
    assert parts.reliable.item() is (pixels >= 3)
    assert torch.isfinite(parts.ego).all() and torch.isfinite(parts.exo).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_descriptors_are_finite(planted, value):
    activation, ego, exo, saliency = planted_inputs(planted)
    parts = discover(activation, torch.full_like(ego, value), torch.full_like(exo, value), saliency).parts
    assert not parts.reliable.any()  # a constant candidate map has no part above its mean
    assert torch.isfinite(parts.ego).all() and torch.isfinite(parts.exo).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 20), st.integers(1, 4))
def test_kmeans_ends_in_a_fixed_point_and_repeats_itself(seed, sets, count, clusters):
    draw = torch.Generator().manual_seed(seed)
    points = torch.randn(sets, count, 3, generator=draw) + 10
    chosen = torch.rand(sets, count, generator=draw) > 0.4
    centroids = kmeans(points, chosen, clusters, torch.Generator().manual_seed(1))
    assert torch.equal(centroids, kmeans(points, chosen, clusters, torch.Generator().manual_seed(1)))
    assert torch.isfinite(centroids).all()
    for row in range(sets):
        mine = points[row][chosen[row]]
        if len(mine) == 0:
            continue
        low, high = mine.amin(dim=0) - 1e-3, mine.amax(dim=0) + 1e-3
        assert ((centroids[row] >= low) & (centroids[row] <= high)).all()  # empty clusters too
        nearest = torch.cdist(mine, centroids[row]).argmin(dim=1)
        for cluster in nearest.unique():
            torch.testing.assert_close(
                centroids[row, cluster], mine[nearest == cluster].mean(dim=0), rtol=1e-3, atol=1e-4
            )


def test_the_local_mean_uses_neighbours_inside_the_map_only():
    maps = torch.arange(6.0).reshape(1, 2, 3)
    wanted = torch.tensor([[[2.0, 2.5, 3.0], [2.0, 2.5, 3.0]]])
    torch.testing.assert_close(local_mean(maps), wanted)


def test_minmax_of_a_constant_map_is_zero():
    maps = torch.stack([torch.full((2, 2), 3.0), torch.tensor([[1.0, 2.0], [3.0, 5.0]])])
    torch.testing.assert_close(minmax(maps), torch.tensor([[[0.0, 0], [0, 0]], [[0, 0.25], [0.5, 1]]]))


def test_saliency_takes_the_papers_heads_of_six_and_all_of_any_other_number():
    attention = torch.rand(1, 6, 4, 4)
    above = (attention > attention.mean(dim=(-2, -1), keepdim=True)).float()
    torch.testing.assert_close(saliency_map(attention), minmax(above[:, [0, 1, 3]].mean(dim=1)))
    torch.testing.assert_close(saliency_map(attention[:, :4]), minmax(above[:, :4].mean(dim=1)))


def test_clustering_without_a_look_at_the_values_gives_the_same(monkeypatch):
    from selcon_training.losses import kmeans as module

    rng = torch.Generator().manual_seed(3)
    points = torch.randn(6, 90, 8, generator=rng)
    chosen = torch.rand(6, 90, generator=rng) < torch.tensor([0.0, 0.02, 0.1, 0.5, 0.9, 1.0])[:, None]
    found = []
    for looks in (True, False):
        monkeypatch.setattr(module, "_may_look", lambda device, looks=looks: looks)
        found.append(module.kmeans(points, chosen, 3, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
    assert found[0][2:].norm(dim=2).min() > 0
