"""The oracle-feature experiment on painted scenes, where the heads can learn everything."""

import numpy as np
import pytest

from experiments.oracle.features import OracleOptions, OracleStore, token_shares
from experiments.oracle.oracle_training import cross_entropy_only, run_oracle
from selcon_training.config import parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.errors import DataError
from support.dataset import COLOURS, config_values, make_dataset
from support.squares import squares_of

OPTIONS = OracleOptions(width=16, noise=0.1, grid=(6, 8), held_out=0.25)


squares = squares_of(train=24, val=1, test=1, negatives=1)


def config(root, tmp_path):
    values = config_values(root, tmp_path / "run", supervision="weak", optimiser={"kind": "sgd", "lr": 0.01})
    values["schedule"] |= {"epochs": 12, "rate": "constant"}
    return parse_config(values)


def test_heads_find_the_parts_from_action_labels(squares, tmp_path):
    """With one part per action, and two objects that share each part, cross-entropy must get it right."""
    found = run_oracle(cross_entropy_only(config(squares, tmp_path)), OPTIONS, seed=0)
    # Of 12 queries; eight seeds gave 0.75 to 1.0.
    assert found["overall"]["right_part"] > 0.7 and set(found["per_action"]) <= set(COLOURS)
    assert found["overall"]["queries"] == sum(row["queries"] for row in found["per_action"].values())


def test_the_full_objective_runs_and_repeats(squares, tmp_path):
    short = config(squares, tmp_path)
    short = short.model_copy(update={"schedule": short.schedule.model_copy(update={"epochs": 1})})
    assert run_oracle(short, OPTIONS, seed=1) == run_oracle(short, OPTIONS, seed=1)


def test_oracle_features_tell_part_and_object(squares):
    """Where the action's part is, the object affords it: the cosine with the action's axis is high, and it is
    salient."""
    data = open_dataset(squares, "Seen")
    items = data.items("trainset")[:4]
    quiet = OracleOptions(width=16, noise=0.0, grid=(6, 8))
    store = OracleStore(data, "trainset", "egocentric", items, list(COLOURS), quiet, seed=0)
    features = store.features(np.arange(4), np.array([0, 0, 1, 0]))
    assert features.parts.shape == (4, 16, 6, 8) and features.patches.shape == (4, 5, 6, 8)
    for row, item in enumerate(items):
        share = store.shares[row, list(COLOURS).index(item.action) + 1]
        if row == 2:
            share = share[:, ::-1]
        place = np.unravel_index(share.argmax(), share.shape)
        axis = features.patches[row, list(COLOURS).index(item.action)].numpy()
        assert axis[place] > 0.6 and axis.min() == 0
        assert features.saliency[row][place] > 0.5
    assert np.allclose(np.linalg.norm(features.patches.numpy(), axis=1), 1, atol=1e-5)


def test_token_shares():
    labels = np.zeros((4, 8), np.uint8)
    labels[:2, :4] = 1
    shares = token_shares(labels, 2, (2, 2))
    assert np.allclose(shares[1], [[1, 0], [0, 0]]) and np.allclose(shares.sum(axis=0), 1)
    with pytest.raises(DataError, match="holds id 1, but parts.json names 1"):
        token_shares(labels, 1, (2, 2))


def test_missing_label_maps_and_names_are_told(squares, tmp_path):
    root = make_dataset(tmp_path / "data", train=3, val=1, test=1, negatives=1)
    next((root / "Seen/trainset/exocentric_parts").rglob("*.png")).unlink()
    with pytest.raises(DataError, match="label map .*exocentric_parts.* is missing"):
        run_oracle(config(root, tmp_path), OPTIONS, seed=0)
    (root / "parts.json").write_text('{"parts": 3}')
    with pytest.raises(DataError, match="parts.json must hold"):
        run_oracle(config(root, tmp_path), OPTIONS, seed=0)
