"""Studies: rows times seeds, trained, measured, resumed and tabulated."""

import json
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from experiments.ablation.studies import known_studies, load_study, run_config
from experiments.ablation.study_runs import _claim
from experiments.ablation.table import cell
from selcon_ros.cli.main import main
from selcon_training.config import ConfigError
from support.dataset import config_values, make_dataset
from support.nets import register_small_clip
from support.pages import checked_page

STUDY = """
title: Two rows
published: somewhere
calibrations: [none, continuous]
rows:
  - {name: full, label: all of it, published: {none: [1.0, 0.5, 2.0]}}
  - {name: bare, label: cross-entropy, set: {weak.lambda_proto: 0, weak.lambda_pixel: 0}}
"""


@pytest.fixture
def study(tmp_path):
    register_small_clip(tmp_path)
    root = make_dataset(tmp_path / "data", train=6, val=3, negatives=0)
    values = config_values(root, tmp_path / "unused", supervision="weak")
    values["schedule"]["epochs"] = 1
    values["encoders"]["cache_features"] = True
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "two.yaml").write_text(STUDY)
    return tmp_path


def ablate(folder, *options):
    arguments = [str(folder / "base.yaml"), "--study", str(folder / "two.yaml"), "--out", str(folder / "out")]
    return CliRunner().invoke(main, ["ablate", *arguments, "--seeds", "2", *options], catch_exceptions=False)


def test_a_study_is_trained_measured_and_resumed(study):
    result = ablate(study, "--only", "bare")
    assert result.exit_code == 0 and "not finished: full, seed 0; full, seed 1" in result.output
    kept = study / "out/bare/seed1/figures.json"
    figures = json.loads(kept.read_text())
    assert set(figures) == {"valset", "testset"} and set(figures["testset"]) == {
        "none",
        "continuous",
        "binarized",
    }
    changed = study / "out/bare/seed0/figures.json"
    changed.write_text(changed.read_text().replace('"kld"', '"kld": 7.5, "was"', 1))

    result = ablate(study, "--json")
    assert result.exit_code == 0
    results = json.loads(result.output[result.output.index("{") :])
    assert results["missing"] == []
    bare, full = (results["splits"]["valset"][name]["none"] for name in ("bare", "full"))
    assert 7.5 in bare["kld"]  # a finished run is read, not made again
    assert len(full["kld"]) == 2 and full["kld"][0] != full["kld"][1]
    logs = json.loads((study / "out/bare/seed0/metrics.jsonl").read_text().splitlines()[-1])
    assert logs["train"]["prototypical"] == 0
    # One store a view and seed (the encoders are random): rows share them.
    assert len(list((study / "out/features").iterdir())) == 4
    page = checked_page(study / "out/two_report/report.html")
    assert "all of it" in page and page.count("<svg") == 8
    table = (study / "out/two_report/table.md").read_text()
    assert "| all of it | none | 2 |" in table and "1.000 / 0.500 / 2.000" in table


def test_finished_runs_of_another_configuration_are_not_tabulated_as_these(study, monkeypatch):
    assert ablate(study, "--only", "bare", "--seeds", "1").exit_code == 0
    result = ablate(study, "--only", "bare", "--seeds", "1", "--set", "schedule.epochs=2")
    assert result.exit_code == 1 and "schedule.epochs: 1 became 2" in result.output
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "once per GPU" in ablate(study, "--only", "bare").output


def test_a_run_that_another_process_works_on_is_left_to_it(study):
    lock = study / "out/bare/seed0/study.lock"
    lock.parent.mkdir(parents=True)
    with _claim(lock) as mine, _claim(lock) as second:
        assert mine and not second
    code = f"import fcntl, time; f = open({str(lock)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
    code += "print(flush=True); time.sleep(600)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        with _claim(lock) as mine:
            assert not mine
        result = ablate(study, "--only", "bare")
        assert result.exit_code == 0
        assert "not finished: full, seed 0; full, seed 1; bare, seed 0" in result.output
        assert (study / "out/bare/seed1/figures.json").is_file()
    finally:
        other.kill()
        other.wait()
    with _claim(lock) as mine:
        assert mine


def test_what_is_wrong_with_a_study_is_named_before_anything_is_trained(study):
    for text, named in (
        ("title: x\nrows: []", "rows"),
        ("title: x\nrows: [{name: a/b, label: x}]", "letters, digits"),
        ("title: x\nrows: [{name: a, label: x}, {name: a, label: y}]", "found twice: a"),
        ("title: [", "not valid YAML"),
        ("- 1", "expected keys"),
    ):
        (study / "two.yaml").write_text(text)
        result = ablate(study)
        assert result.exit_code == 1 and named in result.output, text
    (study / "two.yaml").write_text(STUDY.replace("weak.lambda_proto", "weak.lambda_proton"))
    result = ablate(study)
    assert result.exit_code == 1 and "lambda_proton" in result.output
    assert not (study / "out/full").exists()
    (study / "two.yaml").write_text(STUDY)
    assert "no row other" in ablate(study, "--only", "other").output
    with pytest.raises(ConfigError, match="beyond, components"):
        load_study("nothing")


@pytest.mark.parametrize("name", known_studies())
def test_packaged_studies_are_valid_and_their_rows_differ(study, name):
    loaded = load_study(name)
    configs = [run_config(study / "base.yaml", [], row, 0, study / "out") for row in loaded.rows]
    assert len({config.model_dump_json() for config in configs}) == len(configs)


def test_spread_is_the_sample_deviation():
    assert cell("kld", [1.0, 3.0]) == "2.000 ± 1.414" and cell("right_part", [0.25]) == "25.0"
