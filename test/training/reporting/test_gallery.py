"""Which pictures a report shows."""

from selcon_training.data.agd20k import open_dataset
from selcon_training.evaluate.evaluation import evaluate
from selcon_training.evaluate.predictors import CentrePredictor
from selcon_training.reporting.gallery import sample
from support.dataset import COLOURS


def test_a_sample_is_spread_over_actions_and_over_each_actions_rows(measured_squares):
    rows = evaluate(CentrePredictor(), open_dataset(measured_squares, "Seen"), "testset", list(COLOURS)).rows
    chosen = sample(rows, 2)
    assert sorted(row.action for row in chosen) == sorted([*COLOURS, *COLOURS]) and chosen == sample(rows, 2)
    for action in COLOURS:
        of_action = [row for row in rows if row.action == action]
        first, second = (of_action.index(row) for row in chosen if row.action == action)
        assert first < len(of_action) / 2 <= second
    assert len(sample(rows, 100)) == len(rows)
