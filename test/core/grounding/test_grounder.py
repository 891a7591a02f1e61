from dataclasses import replace

import cv2
import numpy as np
import pytest

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError, ImageError, ParameterError, UnknownActionError
from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from support.bundles import COLOURS, colour_bundle


@pytest.fixture(scope="module")
def grounder(tmp_path_factory: pytest.TempPathFactory) -> Grounder:
    bundle = load_bundle(colour_bundle(tmp_path_factory.mktemp("bundle") / "colours"))
    return Grounder(bundle, open_on_cpu(bundle, CpuOptions(1)))


@pytest.fixture(scope="module")
def packaged() -> Grounder:
    bundle = load_bundle(default_bundle_path())
    return Grounder(bundle, open_on_cpu(bundle, CpuOptions(1)))


def painted(size: tuple[int, int] = (480, 640)) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return a grey image with one block of each action's colour, and the blocks' masks."""
    image = np.full((*size, 3), 127, np.uint8)
    masks = {}
    for number, (action, colour) in enumerate(COLOURS.items()):
        mask = np.zeros(size, bool)
        left = size[1] * (1 + 2 * number) // 8
        mask[size[0] // 3 : size[0] * 2 // 3, left : left + size[1] // 8] = True
        image[mask] = colour
        masks[action] = mask
    return image, masks


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (333, 217)])
def test_one_pass_grounds_every_action(grounder: Grounder, size: tuple[int, int]) -> None:
    image, masks = painted(size)
    grounding = grounder.ground(image)
    assert grounding.cam.shape == grounding.affinity.shape == grounding.refined.shape == (3, 18, 24)
    for action, mask in masks.items():
        heatmap = grounding.heatmap(action)
        assert heatmap.action == action and heatmap.values.shape == size
        assert mask[np.unravel_index(heatmap.values.argmax(), size)]
        assert heatmap.confidence > 0.9
        assert heatmap.confidence == grounding.confidence(action)


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("size", [(480, 640), (217, 333)])
def test_a_turned_camera_s_image_is_seen_upright(
    packaged: Grounder, grounder: Grounder, size: tuple[int, int], turn: int
) -> None:
    """Stretched (the colours) and padded (the packaged model)."""
    random = np.random.default_rng(0)
    upright = cv2.resize(random.integers(0, 256, (12, 16, 3), np.uint8), size[::-1])
    as_mounted = np.rot90(upright, turn // 90)
    for each in (grounder, packaged):
        wanted, found = each.ground(upright), each.ground(as_mounted, turn)
        assert (found.height, found.width) == as_mounted.shape[:2]
        assert np.array_equal(found.cam, np.rot90(wanted.cam, turn // 90, axes=(1, 2)))
        assert np.array_equal(found.evidence, wanted.evidence)
        action = each.actions[0]
        values = np.rot90(wanted.heatmap(action).values, turn // 90)
        assert found.heatmap(action).values == pytest.approx(values, abs=1e-5)
        assert not np.array_equal(each.ground(as_mounted).cam, found.cam)
    affinity = grounder.ground(as_mounted, turn).affinity
    assert np.array_equal(affinity, np.rot90(grounder.ground(upright).affinity, turn // 90, axes=(1, 2)))


@pytest.mark.parametrize("turn", [45, -90, 360])
def test_another_turn_is_refused(grounder: Grounder, turn: int) -> None:
    with pytest.raises(ParameterError, match=f"turn is {turn}: it must be one of 0, 90, 180, 270"):
        grounder.ground(painted()[0], turn)


def test_a_heatmap_of_what_is_not_there_has_no_confidence(grounder: Grounder) -> None:
    image, masks = painted()
    image[masks["hold"]] = 127
    grounding = grounder.ground(image)
    assert grounding.heatmap("hold").confidence < 0.1
    assert grounding.heatmap("pour").confidence > 0.9


def test_actions_are_matched_as_people_write_them(grounder: Grounder) -> None:
    grounding = grounder.ground(painted()[0])
    assert grounding.heatmap("Cut With").action == "cut_with"
    with pytest.raises(UnknownActionError, match="did you mean 'hold'"):
        grounding.heatmap("holt")
    assert grounder.actions == tuple(COLOURS)


def test_a_bad_image_is_refused_and_the_next_one_grounded(grounder: Grounder) -> None:
    with pytest.raises(ImageError):
        grounder.ground(np.zeros((0, 0, 3), np.uint8))
    assert grounder.ground(painted()[0]).confidence("hold") > 0.9


def test_maps_that_are_not_finite_are_no_answer(grounder: Grounder) -> None:
    """A manifest whose normalisation overflows float32 gives the real engine infinities."""
    manifest = grounder.bundle.manifest
    tiny = replace(manifest.normalisation, std=(1e-38, 1e-38, 1e-38))
    bundle = replace(grounder.bundle, manifest=replace(manifest, normalisation=tiny))
    with pytest.raises(BackendError, match="not finite"), np.errstate(all="ignore"):
        Grounder(bundle, open_on_cpu(bundle)).ground(painted()[0])


def test_a_softened_heatmap_has_the_confidence_of_the_plain_one(grounder: Grounder) -> None:
    """The fit was made at the plain map's peak; here a blur moves the peak to where the activation is low."""
    image = np.full((480, 640, 3), 127, np.uint8)
    image[54:81, 324:351] = COLOURS["hold"]
    for row in range(216, 460, 27):
        image[row : row + 16, 100:600] = COLOURS["hold"]
    manifest = replace(grounder.bundle.manifest, smoothing=3.0, temperature=2.0)
    soft = Grounder(replace(grounder.bundle, manifest=manifest), grounder.backend).ground(image)
    plain = grounder.ground(image)
    peaks = [np.unravel_index(each.heatmap("hold").values.argmax(), (480, 640)) for each in (plain, soft)]
    assert peaks[0][0] < 100 < peaks[1][0]
    assert soft.confidence("hold") == soft.heatmap("hold").confidence == plain.confidence("hold")
    assert soft.heatmap("hold").values.mean() > 2 * plain.heatmap("hold").values.mean()
