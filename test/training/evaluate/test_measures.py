"""What belongs to the part of a query, and whether a peak lies on it."""

import numpy as np

from selcon_training.evaluate.measures import part_of, score


def test_the_part_without_a_mask_is_the_upper_half_of_the_truth():
    truth = np.array([[0, 60, 120, 121]], np.uint8)
    assert part_of(truth, None).tolist() == [[False, False, True, True]]
    assert part_of(truth, np.array([[255, 0, 0, 0]], np.uint8)).tolist() == [[True, False, False, False]]


def test_a_peak_is_looked_up_in_a_truth_of_another_size():
    truth = np.zeros((10, 20), np.uint8)
    truth[8, 15] = 255
    heatmap = np.zeros((100, 200), np.float32)
    heatmap[84, 155] = 1
    part = part_of(truth, None)
    scores = score([heatmap, heatmap], [heatmap, heatmap[::-1]], truth, part)
    assert [one.right for one in scores] == [True, False]
