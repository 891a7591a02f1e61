"""`selcon bench engines`: what runs here is measured, what does not is a row that says why."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from selcon_ros.backends.base import BACKENDS
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.core.grounding.samples import sample_files
from support.bundles import colour_bundle


@pytest.mark.parametrize("with_samples", [True, False])
def test_engines_in_turns(tmp_path: Path, with_samples: bool) -> None:
    bundle, page = colour_bundle(tmp_path / "colours", (64, 96)), tmp_path / "speed.md"
    if with_samples:
        picture = np.full((120, 160, 3), 128, np.uint8)
        picture[40:80, 60:120] = (0, 255, 0)
        cv2.imwrite(str(tmp_path / "1.png"), picture)
        plain = load_bundle(bundle)
        write_bundle(bundle, plain.manifest, {**plain.files, **sample_files([tmp_path / "1.png"])})
    page.write_text("# Speed\n\nof the node\n")
    result = CliRunner().invoke(
        main,
        [
            *("bench", "engines", "--bundle", str(bundle), "--rounds", "1", "--runs", "2"),
            *("--threads", "1", "--cache", str(tmp_path / "cache"), "--out", str(page), "--json"),
        ],
    )
    assert result.exit_code == 0, result.output
    found = {(each["backend"], each["precision"]): each for each in json.loads(result.stdout)["engines"]}
    assert set(found) == {(name, each) for name, choice in BACKENDS.items() for each in choice.precisions}
    fp32 = found["onnxruntime", "fp32"]
    assert fp32["times"]["count"] == 2 and 0 < fp32["times"]["median"] <= fp32["times"]["p95"]
    assert (fp32["kld"] is not None and fp32["kld"] < 1e-9) if with_samples else fp32["kld"] is None
    assert "colours has no int8 model" in found["onnxruntime", "int8"]["reason"]
    if not has_gpu():
        assert found["tensorrt", "fp16"]["reason"] == "no NVIDIA GPU here"
    text = page.read_text()
    assert "of the node" in text and "# Engines\n" in text and "| onnxruntime fp32 |" in text
    assert str(bundle) not in text


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("--paper-size", "python -m benchmarks paper-size"),
        ("engines --paper-size", "python -m benchmarks engines"),
        ("engines --authors clone", "python -m benchmarks engines"),
        ("training --rounds 2 --json", "python -m benchmarks training"),
    ],
)
def test_what_only_a_clone_measures_says_so(words: str, where: str) -> None:
    result = CliRunner().invoke(main, ["bench", *words.split()])
    assert result.exit_code == 2 and where in result.output


def test_options_before_the_subcommand_are_not_dropped(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "--out", str(tmp_path / "page.md"), "engines"])
    assert result.exit_code == 2 and "--out goes after 'engines'" in result.output
