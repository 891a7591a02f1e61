"""Published figures stand beside the test set that they are of."""

import shutil
from dataclasses import replace

import pytest

from selcon_training.data.agd20k import open_dataset
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.reporting.published import CLASSES, PUBLISHED_RESULTS, published_for


@pytest.mark.parametrize("name", PUBLISHED_RESULTS)
def test_published_rows_stand_beside_their_own_test_set_only(tmp_path, name):
    classes, divide = CLASSES[name]
    base = tmp_path / divide if divide else tmp_path
    for action in CLASS_LISTS[classes]:
        folder = base / "testset/egocentric" / action / "thing"
        folder.mkdir(parents=True)
        (folder / "a.jpg").touch()
    data = open_dataset(tmp_path, divide)
    found = published_for(data, divide, "testset")
    assert found["set"] == name and found["rows"]["LOCATE"]["kld"] == PUBLISHED_RESULTS[name]["LOCATE"][0]
    assert published_for(data, divide, "valset") is None
    assert published_for(replace(data, synthetic=True), divide, "testset") is None
    shutil.rmtree(folder.parent)  # one action fewer is another test set
    assert published_for(open_dataset(tmp_path, divide), divide, "testset") is None
