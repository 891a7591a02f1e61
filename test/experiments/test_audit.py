"""Audits of part discovery: samples, degraded images, outcomes, and the command."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from experiments.audit.auditing import Audit, summary
from experiments.audit.degrade import DEGRADATIONS
from experiments.audit.discovery import Outcome, degraded
from experiments.audit.samples import Facts, _covered, draw_samples, facts_of, read_sample
from selcon_ros.cli.main import main
from selcon_training.config import parse_config
from selcon_training.data.agd20k import open_dataset
from selcon_training.errors import DataError
from selcon_training.training.trainer import Trainer
from support.dataset import COLOURS, config_values, make_dataset
from support.nets import register_small_clip
from support.pages import checked_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    register_small_clip(folder)
    make_dataset(folder / "data", train=6, val=3, negatives=0)
    for name, supervision in (("weak", "weak"), ("dense", "dense")):
        values = config_values(folder / "data", folder / name, supervision=supervision)
        values["schedule"]["epochs"] = 1
        Trainer(parse_config(values)).run()
    return folder


def test_samples_take_folders_in_turn_and_their_own_exocentric_images(folder):
    data = open_dataset(folder / "data", "Seen")
    samples = draw_samples(data, "trainset", list(COLOURS), 3, 9, seed=0)
    assert len({(sample.ego.action, sample.ego.object) for sample in samples[:6]}) == 6
    assert len({sample.ego.path for sample in samples}) == 9
    for sample in samples:
        assert {(item.action, item.object) for item in sample.exo} == {(sample.ego.action, sample.ego.object)}
        assert len({item.path for item in sample.exo}) == 3
        assert sample.truth.stem == sample.ego.stem and "trainset/GT" in str(sample.truth)
    assert samples == draw_samples(data, "trainset", list(COLOURS), 3, 9, seed=0)
    assert samples != draw_samples(data, "trainset", list(COLOURS), 3, 9, seed=1)
    few = draw_samples(data, "trainset", list(COLOURS), 9, 1, seed=0)
    assert len(few[0].exo) == 9  # more than the folder has: some come twice


def test_without_truth_in_training_the_test_images_are_asked(tmp_path):
    data = open_dataset(make_dataset(tmp_path / "data", exhaustive=False), "Seen")
    for path in (data.base / "trainset/GT").rglob("*.png"):
        path.unlink()
    samples = draw_samples(data, "trainset", list(COLOURS), 3, 4, seed=0)
    assert all("testset/GT" in str(sample.truth) for sample in samples)
    assert all("trainset/exocentric" in str(item.path) for sample in samples for item in sample.exo)
    for path in (data.base / "testset/GT").rglob("*.png"):
        path.unlink()
    data = open_dataset(tmp_path / "data", "Seen")  # files are listed once
    with pytest.raises(DataError, match="needs truth maps"):
        draw_samples(data, "trainset", list(COLOURS), 3, 4, seed=0)


def test_facts_are_sizes_and_what_hands_hide(folder):
    data = open_dataset(folder / "data", "Seen")
    sample = draw_samples(data, "trainset", list(COLOURS), 2, 1, seed=0)[0]
    _, exo, part = read_sample(sample, (96, 128))
    facts = facts_of(data, "trainset", sample, part)
    square = 30 * 30 / (96 * 128)
    assert facts.part_share == pytest.approx(square, rel=0.15) and exo.shape == (2, 96, 128, 3)
    assert 1.5 * square < facts.exo_size <= 2 * square and 0 < facts.hidden < 0.2

    thing = np.zeros((20, 20), bool)
    thing[5:15, 5:15] = True
    hands = np.zeros_like(thing)
    hands[5:15, 8:12] = True
    hands[:4] = True  # away from the object
    assert _covered(thing & ~hands, hands) == pytest.approx(0.4)


@given(
    height=st.integers(8, 90),
    width=st.integers(8, 90),
    name=st.sampled_from(sorted(DEGRADATIONS)),
    seed=st.integers(0, 5),
)
def test_degraded_images_keep_their_size(height, width, name, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    exo = np.stack([image, image])
    changed = degraded(exo, DEGRADATIONS[name], 1, seed)
    assert changed.shape == exo.shape and changed.dtype == np.uint8
    assert (changed[1] == image).all() and (changed[0] != image).any()
    assert (exo[0] == image).all()


def test_the_map_that_is_used_depends_on_the_threshold():
    found = [Outcome(0.7, True, False), Outcome(0.5, False, True), Outcome(0.0, True, False)]
    figures = summary(found, 0.6, "abc")
    assert figures["reliable"] == pytest.approx(1 / 3) and figures["reliable_right"] == 1
    assert figures["used_right"] == pytest.approx(2 / 3)
    assert figures["part_right"] == pytest.approx(2 / 3) and figures["object_right"] == pytest.approx(1 / 3)
    assert figures["intervals"]["used_right"] == [0, 1] and figures["intervals"]["reliable_right"] is None
    # At α = 0 every sample with a selection is reliable; one without has score 0 and never is.
    assert summary(found, 0.0, "abc")["reliable"] == pytest.approx(2 / 3)
    assert summary(found, 0.9, "abc")["reliable_right"] is None


def test_groups_hold_every_sample_once():
    result = Audit("data", "trainset", 0.6, 0.6, "")
    result.facts = [Facts("hold", f"thing{n % 2}", n / 10, None, None) for n in range(7)]
    result.conditions["as trained"] = [Outcome(0.9, n > 4, False) for n in range(7)]
    tables = result.tables()
    assert [row["samples"] for row in tables["by_part_size"].values()] == [2, 2, 3]
    assert [row["part_right"] for row in tables["by_part_size"].values()] == [0, 0, pytest.approx(2 / 3)]
    assert tables["by_hidden"] == {} and tables["by_object"]["thing0"]["samples"] == 4


def test_the_command_writes_its_report(folder, tmp_path):
    arguments = ["audit", str(folder / "weak"), "--out", str(tmp_path), "--samples", "6", "--degraded", "2"]
    result = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    tables = json.loads((tmp_path / "results.json").read_text())
    assert tables["samples"] == 6 and tables["by_hidden"] and tables["by_exo_size"]
    conditions = tables["conditions"]
    assert conditions["noise: one image"]["samples"] == 2
    assert conditions["γ = 0.6"] == conditions["as trained"]  # the threshold it was trained with
    assert len({json.dumps(row) for row in conditions.values()}) > 2
    page = checked_page(tmp_path / "report.html")
    assert page.count("<svg") == 4 and "JPEG quality 10: all images" in page


def test_runs_that_cannot_be_audited_are_refused(folder, tmp_path):
    for run, message in ((folder / "dense", "audit a weak run"), (folder / "data", "no checkpoint")):
        result = CliRunner().invoke(main, ["audit", str(run), "--out", str(tmp_path)])
        assert result.exit_code == 1 and message in result.output
