"""The objects keep the rules by which weak labels can teach anything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_training.tabletop.objects import TRAINED, UNSEEN
from selcon_training.tabletop.parts import ACTIONS, PART_KINDS

EVERYTHING = {**TRAINED, **UNSEEN}


def _volume(mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_every_action_belongs_to_three_trained_kinds_and_an_unseen_one():
    for action in ACTIONS:
        assert sum(action in make(np.random.default_rng(0)).actions for make in TRAINED.values()) >= 3
        assert any(action in make(np.random.default_rng(0)).actions for make in UNSEEN.values())


def test_an_acting_part_looks_alike_across_the_kinds_that_share_its_action():
    kinds = {action: set() for action in ACTIONS if action != "hold"}
    for make in EVERYTHING.values():
        for part in make(np.random.default_rng(0)).parts:
            if part.action in kinds:
                kinds[part.action].add(part.kind)
    assert all(len(names) == 1 for names in kinds.values()), kinds


@pytest.mark.parametrize("kind", EVERYTHING)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_object_has_two_actions_at_different_parts_and_stands_on_the_table(kind, seed):
    model = EVERYTHING[kind](np.random.default_rng(seed))
    actions = [part.action for part in model.parts if part.action]
    assert len(set(actions)) == len(actions) >= 2
    assert {part.kind for part in model.parts} <= set(PART_KINDS)
    assert set(model.grips) >= {"hold"}
    vertices = np.concatenate([part.mesh.vertices for part in model.parts])
    assert np.isfinite(vertices).all()
    assert abs(vertices[:, 2].min()) < 0.005  # a low handle may hang a little below its vessel's foot
    assert 0.03 < model.footprint < 0.25


@pytest.mark.parametrize("kind", EVERYTHING)
def test_meshes_are_closed_and_face_outwards(kind):
    for part in EVERYTHING[kind](np.random.default_rng(1)).parts:
        faces = np.sort(part.mesh.faces, axis=1)
        assert (faces[:, 0] >= 0).all() and faces.max() < len(part.mesh.vertices)
        assert _volume(part.mesh) > 0, part.kind
