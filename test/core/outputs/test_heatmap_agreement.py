"""How far one engine's answers are from another's."""

import numpy as np
import pytest
from numpy.typing import NDArray

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.outputs.heatmap_agreement import agreement, kld
from support.bundles import colour_bundle
from support.scenes import scene

PART = (40, 100, 60, 200)


class Moved:
    """An engine that answers as another one, its maps changed."""

    def __init__(self, bundle: Bundle, change) -> None:
        self.engine, self.change = open_on_cpu(bundle), change

    def run(self, frames: NDArray[np.uint8]):
        cam, affinity = self.engine.run(frames)
        return self.change(cam), affinity


@pytest.fixture
def bundle(tmp_path) -> Bundle:
    return load_bundle(colour_bundle(tmp_path / "colours"))


def compared(bundle: Bundle, change, images=None):
    exact = Grounder(bundle, open_on_cpu(bundle))
    return agreement(exact, Grounder(bundle, Moved(bundle, change)), images or [scene(hold=PART)])


def test_the_same_answers_agree(bundle):
    found = compared(bundle, lambda cam: cam)
    assert found.images == 1 and found.kld_max == pytest.approx(0, abs=1e-6)
    assert found.grasped == 3 and found.shift_p95 == 0 and found.changed == 0


def test_a_part_that_moves_is_seen_in_heatmap_and_grasp_point(bundle):
    def right(cam):  # one cell of 24, which are 320 pixels: what hold is sure of moves so far
        moved = cam.copy()
        moved[:, 1] = np.roll(cam[:, 1], 1, axis=-1)
        return moved

    found = compared(bundle, right)
    assert found.worst == ("hold", 0) and found.kld_max > 0.1
    assert found.shift_median == 0 and 10 < found.shift_p95 < 320 / 24 + 2


def test_a_grasp_point_that_goes_is_counted(bundle):
    found = compared(bundle, np.zeros_like)
    assert found.grasped == 0 and found.changed == 1 and found.shift_median == 0
    assert found.kld_mean > 1  # a map that is zero is very far from any


def test_the_worst_is_named(bundle):
    blank = np.full((240, 320, 3), 90, np.uint8)

    def pour(cam):
        cam = cam.copy()
        cam[:, 2] = cam[:, 2, ::-1]
        return cam

    found = compared(bundle, pour, [scene(hold=PART), blank, scene(hold=PART, pour=(150, 20, 60, 40))])
    assert found.images == 3 and found.worst == ("pour", 2)
    assert "pour in picture 3 of 3" in str(found)


def test_nothing_to_compare_is_told(bundle):
    with pytest.raises(SelconError, match="every heatmap of the 0 pictures is constant"):
        agreement(Grounder(bundle, open_on_cpu(bundle)), Grounder(bundle, open_on_cpu(bundle)), [])


def test_kld_of_known_maps():
    truth, prediction = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    assert kld(prediction, truth) == pytest.approx(np.log(2))
    assert kld(prediction, prediction) == pytest.approx(0, abs=1e-9)
