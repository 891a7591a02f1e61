import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.affordance_map import affordance_map, labels_of

LABELS = {"cut": 1, "hold": 2, "pour": 3}


def heat(action: str, values: list[list[float]], confidence: float = 1.0) -> Heatmap:
    return Heatmap(action, np.array(values, np.float32), confidence)


def test_the_best_action_of_each_pixel_and_none_below_the_threshold() -> None:
    hold, pour = heat("hold", [[1.0, 0.6, 0.4]]), heat("pour", [[0.5, 1.0, 0.4]])
    found = affordance_map([hold, pour], LABELS, (1, 3), 0.5)
    assert found.dtype == np.uint8 and found.tolist() == [[2, 3, 0]]


def test_confidence_weighs() -> None:
    hold, pour = heat("hold", [[0.8, 1.0]], 0.9), heat("pour", [[1.0, 1.0]], 0.6)
    assert affordance_map([pour, hold], LABELS, (1, 2), 0.5).tolist() == [[2, 2]]


def test_of_equals_the_first_and_nothing_of_no_confidence() -> None:
    hold, pour, cut = heat("hold", [[1.0]]), heat("pour", [[1.0]]), heat("cut", [[1.0]], 0.0)
    assert affordance_map([hold, pour], LABELS, (1, 1), 0.5).tolist() == [[2]]
    assert affordance_map([cut], LABELS, (1, 1), 0.5).tolist() == [[0]]
    assert affordance_map([], LABELS, (1, 1), 0.5).tolist() == [[0]]


def test_labels_are_places_in_the_models_list() -> None:
    assert labels_of(("cut", "hold", "pour")) == LABELS
    many = labels_of([str(number) for number in range(300)])
    assert len(many) == 255 and many["254"] == 255
    assert affordance_map([heat("299", [[1.0]])], many, (1, 1), 0.5).tolist() == [[0]]


@given(
    hnp.arrays(np.float32, (3, 2, 3), elements=st.floats(0, 1, width=32)),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.floats(0.01, 1),
)
def test_a_label_is_that_of_the_largest_product(
    values: np.ndarray, confidences: list[float], threshold: float
) -> None:
    heatmaps = [
        Heatmap(action, each, confidence)
        for action, each, confidence in zip(LABELS, values, confidences, strict=True)
    ]
    found = affordance_map(heatmaps, LABELS, (2, 3), threshold)
    scores = values * np.array(confidences, np.float32)[:, None, None]
    scores[values < np.float32(threshold)] = 0
    wanted = np.where(scores.max(axis=0) > 0, 1 + scores.argmax(axis=0), 0)
    np.testing.assert_array_equal(found, wanted)
