"""Prepared graphs, which GPU backends run as they are, are kept beside the engines."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from selcon_ros.cli.main import main
from selcon_ros.core.grounding.bundle import load_with_samples
from selcon_ros.engines.cache import Cache
from selcon_ros.engines.compatibility import version_mismatch
from selcon_ros.engines.repository import converted_graph


@pytest.fixture(scope="module")
def kept(vit: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("cache")
    return folder, converted_graph(load_with_samples(vit), "fp16", Cache(folder), lambda *_: None)


def selcon(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["engine", *arguments])
    return result.output


def test_it_is_made_once(vit: Path, kept: tuple[Path, bytes]) -> None:
    folder, made = kept
    phases: list[str] = []
    bundle = load_with_samples(vit)
    assert converted_graph(bundle, "fp16", Cache(folder), lambda phase, _: phases.append(phase)) == made
    assert not phases


def test_a_damaged_one_is_made_again(vit: Path, kept: tuple[Path, bytes]) -> None:
    folder, made = kept
    (entry,) = Cache(folder).entries()
    entry.path.write_bytes(made[:1000])
    assert converted_graph(load_with_samples(vit), "fp16", Cache(folder), lambda *_: None) == made
    assert entry.path.read_bytes() == made


def test_it_is_listed_and_no_engine_to_verify_nor_stale(vit: Path, kept: tuple[Path, bytes]) -> None:
    folder, _ = kept
    (listed,) = json.loads(selcon("list", "--cache", str(folder), "--json"))["engines"]
    assert listed["key"]["kind"] == "onnx" and 0 < listed["agreement"]["kld_mean"] < 0.001
    assert listed["layers"]["float16"] > listed["layers"]["float"]
    assert "onnx" in selcon("list", "--cache", str(folder))
    assert "no such engine of bundle" in selcon("verify", str(vit), "--cache", str(folder))
    assert "nothing to remove" in selcon("clean", "--stale", "--cache", str(folder))
    assert version_mismatch(Cache(folder).entries()[0].record.key) is None
