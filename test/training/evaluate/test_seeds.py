"""Bundles of one training with different seeds: their mean and deviation."""

import json
import statistics
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_training.reporting.evaluation import run_seeds
from support.pages import checked_page


def test_seeds_are_summarised(measured_squares, bundle, tmp_path):
    loaded = load_bundle(bundle)
    graph = onnx.load_from_string(loaded.model)
    paths = [bundle]
    for seed, slope in ((1, 9.0), (2, 6.0)):  # of another steepness: other figures
        changed = next(one for one in graph.graph.initializer if one.name == "slope")
        changed.CopyFrom(onnx.numpy_helper.from_array(np.array(slope, np.float32), "slope"))
        manifest = replace(loaded.manifest, training={"data": "none", "seed": seed})
        write_bundle(tmp_path / f"b{seed}", manifest, {"model": graph.SerializeToString()})
        paths.append(tmp_path / f"b{seed}")
    out = tmp_path / "out"
    arguments = ["evaluate", *map(str, paths), str(measured_squares), "--divide", "Seen", "--limit", "3"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert done.exit_code == 0 and "±" in done.output and "summary.html" in done.output
    summary = json.loads((out / "summary.json").read_text())
    singles = [json.loads((out / name / "results.json").read_text()) for name in "123"]
    assert [one["seed"] for one in summary["bundles"]] == [None, 1, 2]
    for figure in ("kld", "right_part"):
        values = [one["overall"][figure] for one in singles]
        assert summary["overall"][figure]["mean"] == pytest.approx(statistics.mean(values))
        assert summary["overall"][figure]["std"] == pytest.approx(statistics.stdev(values))
    assert summary["overall"]["kld"]["std"] > 0 and summary["overall"]["kld"]["n"] == 3
    by_action = [one["calibrations"]["none"]["per_action"]["pour"]["nss"] for one in singles]
    found = summary["calibrations"]["none"]["per_action"]["pour"]["nss"]
    assert found["std"] == pytest.approx(statistics.stdev(by_action))
    page = checked_page(out / "summary.html")
    assert 'href="3/report.html"' in page and "±" in page


def test_seeds_that_cannot_be_summarised_are_told(measured_squares, bundle, tmp_path):
    loaded = load_bundle(bundle)
    other = replace(loaded.manifest, gamma=0.3)
    with pytest.raises(BundleError, match="the same network"):
        run_seeds([bundle, bundle], measured_squares, "Seen", "testset", tmp_path / "out")
    model = onnx.load_from_string(loaded.model)
    model.doc_string = "another file"
    write_bundle(tmp_path / "other", other, {"model": model.SerializeToString()})
    with pytest.raises(BundleError, match="has gamma 0.3, .* 0.6: .* in their seed only"):
        run_seeds([bundle, tmp_path / "other"], measured_squares, "Seen", "testset", tmp_path / "out")
    paths = map(str, (bundle, bundle, measured_squares))
    pair = ["evaluate", *paths, "--divide", "Seen", "--out", str(tmp_path)]
    for extra, message in ((["--baseline", "centre"], "has no seeds"), (["--run", "x"], "once for each")):
        done = CliRunner().invoke(main, [*pair, *extra])
        assert done.exit_code == 2 and message in done.output
    assert not (tmp_path / "out").exists()
