from dataclasses import replace

import numpy as np
import pytest

from selcon_ros.core.errors import UnknownActionError
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grounding.grounder import Grounding
from selcon_ros.core.grounding.heatmap import CoarseHeatmap
from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.core.reason import Reason
from support.bundles import colour_manifest

SIZE = (90, 120)


class Counting(Grounding):
    """A grounding that counts the maps that it scales."""

    made: list[str]

    def coarse_heatmap(self, action):
        self.made.append(action)
        return super().coarse_heatmap(action)


def grounding() -> Counting:
    """Hold at the left, pour weaker at the right, and nothing to cut."""
    manifest = replace(colour_manifest(), calibration="none")
    cam = np.zeros((3, 18, 24), np.float32)
    cam[0] += 0.01 * np.linspace(0, 1, 24)
    cam[1, 6:12, 4:8] = 1.0
    cam[2, 6:12, 14:18] = 0.9
    found = Counting(manifest, cam, None, *SIZE)
    found.made = []
    return found


def test_each_heatmap_is_made_once_and_only_when_asked_for() -> None:
    seen = grounding()
    looked = []
    findings = Findings(seen, lambda: looked.append(1) or (None, None), GraspParameters())
    assert findings.confidence("hold") == seen.confidence("hold") and not seen.made and not looked
    assert findings.heatmap("hold") is findings.heatmap("hold")
    points = findings.grasps("hold").points
    assert [each.pixel for each in points] == [
        each.pixel for each in find_grasps(seen.heatmap("hold")).points
    ]
    assert len(points) == 1 and seen.made.pop() == "hold"
    assert findings.grasps("hold").points is points
    assert findings.grasps("pour").points
    assert seen.made == ["hold", "pour"] and len(looked) == 1


def test_grasps_need_no_heatmap_of_the_image_s_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CoarseHeatmap, "upsampled", lambda coarse: pytest.fail("upsampled"))
    assert Findings(grounding(), lambda: (None, None), GraspParameters()).grasps("hold").points


def test_too_little_confidence_needs_no_heatmap_and_says_what_the_search_says() -> None:
    seen = grounding()
    result = Findings(seen, lambda: (None, None), GraspParameters()).grasps("cut_with")
    assert not seen.made and result == find_grasps(Grounding.heatmap(seen, "cut_with"))
    assert [each.reason for each in result.refused] == [Reason.LOW_CONFIDENCE]


def test_the_map_leaves_out_what_is_not_confident() -> None:
    seen = grounding()
    findings = Findings(seen, lambda: (None, None), GraspParameters())
    labels = findings.affordance_map(("cut_with", "hold", "pour"))
    assert labels.shape == SIZE and seen.made == ["hold", "pour"]
    assert set(np.unique(labels)) == {0, 2, 3}
    assert set(np.unique(labels[35:55, 25:35])) == {2} and set(np.unique(labels[35:55, 75:85])) == {3}
    assert set(np.unique(findings.affordance_map(("pour",)))) == {0, 3}


def test_an_unknown_action() -> None:
    with pytest.raises(UnknownActionError):
        Findings(grounding(), lambda: (None, None), GraspParameters()).grasps("fly")
