"""The objects keep the rules of docs/tabletop.md: which part counts for which action."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_tabletop.objects import TRAINED, TRAINING_ONLY, UNSEEN, actions_of
from selcon_tabletop.parts import ACTIONS, PART_KINDS
from selcon_tabletop.poses import settled
from selcon_tabletop.shapes import rotation, volume
from selcon_tabletop.things import THING_SHARES, THINGS, thing

EVERYTHING = {**TRAINED, **UNSEEN, **TRAINING_ONLY}
DOCS = Path(__file__).parents[2] / "docs" / "tabletop.md"
ACTING = {  # the kinds of parts that afford an action
    "brush_with": {"bristles"},
    "cut_with": {"blade"},
    "drink_with": {"rim", "inside"},
    "hit": {"head"},
    "hold": {"rod_handle", "loop_handle", "body", "ring"},
    "open": {"lid"},
    "pour": {"spout"},
    "stir": {"scoop"},
}


def _acting(kind: str, action: str, seed: int = 0) -> set[str]:
    return {
        part.kind for part in EVERYTHING[kind](np.random.default_rng(seed)).parts if part.action == action
    }


def _open_length(meshes) -> float:
    """Return the length in metres of the edges at which the surface of all meshes together is open."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)])
    _, same = np.unique(vertices.round(9), axis=0, return_inverse=True)
    index = same.reshape(-1)[faces]
    edges = np.concatenate([index[:, [0, 1]], index[:, [1, 2]], index[:, [2, 0]]])
    count = len(vertices)
    forth, back = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    values, inverse = np.unique(np.concatenate([forth, back]), return_inverse=True)
    sums = np.bincount(inverse, np.repeat([1, -1], len(edges)), len(values))
    place = np.zeros((count, 3))
    place[same.reshape(-1)] = vertices
    ends = place[values // count] - place[values % count]
    return float((np.abs(sums) * np.linalg.norm(ends, axis=1)).sum() / 2)


def test_every_action_belongs_to_three_trained_kinds_and_an_unseen_one():
    for action in ACTIONS:
        assert sum(action in actions_of(kind) for kind in TRAINED) >= 3
        assert any(action in actions_of(kind) for kind in UNSEEN)


def test_the_documented_table_names_every_kind_of_every_action():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", DOCS.read_text(), re.MULTILINE)[: len(ACTIONS)])
    for action in ACTIONS:
        trained, unseen = rows[action].split(" | ")[:2]
        for cell, kinds in ((trained, TRAINED), (unseen, UNSEEN)):
            expected = [kind for kind in kinds if action in actions_of(kind)]
            assert cell == "every one" if action == "hold" else cell.split(", ") == expected, action
    assert all("hold" in actions_of(kind) for kind in EVERYTHING)


@pytest.mark.parametrize("kind", EVERYTHING)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_object_keeps_its_actions_and_stands_on_the_table(kind, seed):
    model = EVERYTHING[kind](np.random.default_rng(seed))
    assert model.kind == kind
    assert tuple(model.actions) == actions_of(kind)
    for part in model.parts:
        assert part.kind in PART_KINDS
        assert part.action is None or part.kind in ACTING[part.action]
    assert set(model.grips) >= {"hold"} and all(grip.radius > 0 for grip in model.grips.values())
    vertices = np.concatenate([part.mesh.vertices for part in model.parts])
    assert np.isfinite(vertices).all()
    assert abs(vertices[:, 2].min()) < 0.005  # a low handle may hang a little below its vessel's foot
    assert 0.025 < model.footprint < 0.25


@pytest.mark.parametrize(
    ("kind", "held"),
    [
        ("mug", {"body", "loop_handle"}),
        ("teacup", {"body", "loop_handle"}),
        ("cup", {"body"}),
        ("wine_glass", {"body"}),
        ("bottle", {"body"}),
        ("bowl", {"body"}),
        ("kettle", {"loop_handle"}),
        ("pitcher", {"loop_handle"}),
        ("jug", {"loop_handle"}),
        ("flagon", {"loop_handle"}),
        ("pot", {"loop_handle"}),
        ("frying_pan", {"rod_handle"}),
        ("knife", {"rod_handle"}),
        ("tongs", {"rod_handle"}),
        ("scissors", {"ring"}),
    ],
)
def test_what_counts_as_hold(kind, held):
    for seed in range(5):
        assert _acting(kind, "hold", seed) == held


def test_one_drinks_at_the_rim_and_the_inside_of_drinking_vessels_only():
    drinking = {kind for kind in EVERYTHING if "drink_with" in actions_of(kind)}
    assert drinking == {"mug", "cup", "glass", "tumbler", "wine_glass", "teacup", "goblet"}
    assert all(_acting(kind, "drink_with") == {"rim", "inside"} for kind in drinking)


@pytest.mark.parametrize("kind", EVERYTHING)
def test_meshes_are_closed_and_face_outwards(kind):
    for seed in range(3):
        meshes = [part.mesh for part in EVERYTHING[kind](np.random.default_rng(seed)).parts]
        for mesh in meshes:
            assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
            if _open_length([mesh]) < 0.001 * max(1, len(mesh.vertices) / 1000):
                assert volume(mesh) > 0
        # A lip is cut out of its wall: the parts together are closed.
        assert _open_length(meshes) < 0.002 * max(1, sum(len(mesh.vertices) for mesh in meshes) / 1000)


@pytest.mark.parametrize("name", THINGS)
def test_things_afford_nothing_and_lie_on_the_table(name):
    for seed in range(12):
        parts = THINGS[name](np.random.default_rng(seed))
        assert parts and all(part.action is None and part.kind in ("clutter", "hand") for part in parts)
        vertices = np.concatenate([part.mesh.vertices for part in parts])
        assert np.isfinite(vertices).all() and -0.003 < vertices[:, 2].min() < 0.003
        if name != "hand":
            assert np.abs(vertices[:, :2]).max() < 0.16 and vertices[:, 2].max() < 0.25
            assert _open_length([part.mesh for part in parts]) < 0.01


def test_every_thing_is_drawn():
    assert (
        len(THING_SHARES) == len(THINGS) and sum(THING_SHARES) == pytest.approx(1) and min(THING_SHARES) > 0
    )


@pytest.mark.parametrize("make", [*EVERYTHING.values(), thing])
def test_the_same_seed_makes_the_same_thing_and_another_seed_another(make):
    def vertices(seed: int) -> np.ndarray:
        made = make(np.random.default_rng(seed))
        return np.concatenate([part.mesh.vertices for part in getattr(made, "parts", made)])

    first, again, other = vertices(3), vertices(3), vertices(4)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


@pytest.mark.parametrize("over", [0.0, np.pi])
@pytest.mark.parametrize("kind", ["ladle", "turner", "spoon", "claw_hammer"])
def test_a_lying_tool_rests_on_two_places(kind, over):
    model = EVERYTHING[kind](np.random.default_rng(1))
    turn = settled(model, rotation("x", over))
    assert np.allclose(turn @ turn.T, np.eye(3))
    vertices = np.concatenate([part.mesh.vertices for part in model.parts]) @ turn.T
    touching = vertices[vertices[:, 2] < vertices[:, 2].min() + 2e-4]
    middle = (vertices[:, 0].min() + vertices[:, 0].max()) / 2
    assert touching[:, 0].min() <= middle <= touching[:, 0].max()
