"""Where a hand gets no hold in the middle of the heat, another place of the part is taken."""

import numpy as np
import pytest

from selcon_ros.core.cameras.depth_patch import DepthPatch
from selcon_ros.core.grasps import grasp_place
from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grasps.grasp_place import MAX_OTHER_PLACES, middle, others
from selcon_ros.core.grasps.region_geometry import Surface, flat_surface
from selcon_ros.core.grasps.regions import hot_regions
from selcon_ros.core.grounding.heatmap import Heatmap
from support.shapes import CAMERA, SHAPE, Table, angle, box_depth, matrix, on, rectangle, scene

TABLE = Table(0.5, 0.6)


def pot(wide: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, Heatmap]:
    """Return depth, where a body, `wide` metres wide, and the handle beside it are seen, and one hot band
    that runs over both: the body's half is the hotter one."""
    axes = TABLE.axes(0.0)
    body = box_depth(TABLE.origin + 0.04 * TABLE.up, axes, np.array([wide, wide, 0.08]))
    beside = TABLE.origin + axes @ [wide / 2 + 0.06, 0, 0.06]
    depth, (body, handle) = scene(TABLE, body, box_depth(beside, axes, np.array([0.12, 0.02, 0.02])))
    rows = np.flatnonzero(handle.any(axis=1))
    band = body & rectangle(0, rows[0], SHAPE[1], rows[-1] + 1)
    heat = np.where(band, 1.0, np.where(handle, 0.7, 0.0))
    return depth, body, handle, Heatmap("hold", heat.astype(np.float32), 0.9)


def test_a_body_that_is_too_wide_is_held_by_its_handle() -> None:
    depth, _, handle, heatmap = pot(0.16)
    (point,) = find_grasps(heatmap, depth, CAMERA).points
    assert point.position is not None and on(handle, point.pixel)
    # Closed across the handle, which runs along the image's rows.
    assert point.width < 0.04 and angle(matrix(point.orientation)[:, 0], np.array([1.0, 0, 0])) > 60


def test_a_body_that_fits_the_hand_is_held_in_the_middle_of_the_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    depth, body, _, heatmap = pot(0.05)
    (point,) = find_grasps(heatmap, depth, CAMERA).points
    assert on(body, point.pixel)
    monkeypatch.setattr(grasp_place, "MAX_OTHER_PLACES", 0)
    assert find_grasps(heatmap, depth, CAMERA).points == (point,)


def test_where_a_tool_acts_is_no_matter_of_a_hand() -> None:
    depth, body, _, heatmap = pot(0.16)
    found = find_grasps(Heatmap("pour", heatmap.values, 0.9), depth, CAMERA)
    assert found.points == () and "m wide" in str(found.refused[0])
    assert on(body, find_grasps(Heatmap("pour", heatmap.values, 0.9)).points[0].pixel)


def test_the_middle_stands_where_no_place_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    depth, _, handle, heatmap = pot(0.16)
    cold = Heatmap("hold", heatmap.values * ~handle, 0.9)
    found = find_grasps(cold, depth, CAMERA)
    monkeypatch.setattr(grasp_place, "MAX_OTHER_PLACES", 0)
    assert len(found.points) + len(found.refused) == 1
    assert find_grasps(cold, depth, CAMERA).points == found.points


def bar() -> Surface:
    """Return a bar of 200 x 20 pixels as a surface, hotter to the right."""
    heat = rectangle(200, 200, 400, 220) * np.linspace(0.6, 1, SHAPE[1], dtype=np.float32)
    (region,), _ = hot_regions(Heatmap("hold", heat.astype(np.float32), 0.9), 0.5, 0.0, 0.3, 30)
    ones = np.ones(region.shape, np.float32)
    return flat_surface(DepthPatch(ones, ones > 0, ones, ones), region)


def test_other_places_are_apart_on_the_part_and_few() -> None:
    surface = bar()
    first = middle(surface)
    found = [first, *others(surface, first, 10)]
    assert len(found) == 1 + MAX_OTHER_PLACES
    places = np.array([(place.u, place.v) for place in found])
    assert all(surface.body[place.v, place.u] and place.thickness > 4 for place in found[:4])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)[~np.eye(len(found), dtype=bool)]
    assert gaps.min() >= 10
    assert places[1, 0] > places[2, 0], "hotter ones first"
    assert len(list(others(surface, first, 300))) == 0


def lidded(knob: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return depth, where the lid of a wide pot is seen, and where its knob is, `knob` metres wide."""
    axes = TABLE.axes(0.3)
    body = box_depth(TABLE.origin + 0.04 * TABLE.up, axes, np.array([0.16, 0.16, 0.08]))
    lid = box_depth(TABLE.origin + 0.085 * TABLE.up, axes, np.array([0.15, 0.15, 0.01]))
    on_it = box_depth(TABLE.origin + 0.1 * TABLE.up, axes, np.array([knob, knob, 0.02]))
    depth, (_, flat, high) = scene(TABLE, body, lid, on_it)
    return depth, flat | high, high


@pytest.mark.parametrize("knob", [0.015, 0.025, 0.04])
def test_a_lid_that_is_too_wide_is_held_by_its_knob(knob: float) -> None:
    depth, lid, high = lidded(knob)
    (point,) = find_grasps(Heatmap("open", lid.astype(np.float32), 0.9), depth, CAMERA).points
    assert on(high, point.pixel)
    assert knob - 0.005 < point.width < 2**0.5 * knob + 0.01


def test_at_other_actions_the_knob_is_not_looked_for() -> None:
    depth, lid, _ = lidded(0.025)
    found = find_grasps(Heatmap("pour", lid.astype(np.float32), 0.9), depth, CAMERA)
    assert found.points == () and "m wide" in str(found.refused[0])


def capped(table: Table) -> tuple[np.ndarray, Heatmap]:
    """Return depth, where a bottle is seen, and the heat of its cap, which ends 16 cm above the table."""
    axes = table.axes(0.0)
    bottle = box_depth(table.origin + 0.06 * table.up, axes, np.array([0.07, 0.07, 0.12]))
    cap = box_depth(table.origin + 0.14 * table.up, axes, np.array([0.03, 0.03, 0.04]))
    depth, (_, seen) = scene(table, bottle, cap)
    return depth, Heatmap("open", seen.astype(np.float32), 0.9)


def test_a_cap_is_held_at_its_top() -> None:
    depth, heatmap = capped(TABLE)
    (point,) = find_grasps(heatmap, depth, CAMERA).points
    height = float(np.array(point.position) @ TABLE.up - TABLE.origin @ TABLE.up)
    assert height == pytest.approx(0.16, abs=0.004) and point.width < 0.05


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("tilt", [0.0, 0.02, 0.5])
def test_noise_does_not_lean_the_hand_at_a_top(tilt: float, missing: float) -> None:
    table, random = Table(tilt, 0.6), np.random.default_rng(1)
    depth, heatmap = capped(table)
    for _ in range(5):
        noisy = (depth + random.normal(0, 0.002, depth.shape)).astype(np.float32)
        noisy[random.random(depth.shape) < missing] = 0
        (point,) = find_grasps(heatmap, noisy, CAMERA).points
        assert point.orientation is not None
        assert matrix(point.orientation)[:, 2] @ -table.up > 0.7
