"""What may be chosen on a CPU, and what may not."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from selcon_ros.core.grounding.bundle import load_bundle, write_bundle
from selcon_ros.engines.cpu_candidates import CpuCandidate, candidates
from support.bundles import colour_bundle, with_int8, with_samples

NO_SAMPLES = "the bundle has no sample pictures to compare it with fp32 on"
BOTH = ("onnxruntime", "openvino")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return with_int8(colour_bundle(tmp_path / "colours", (64, 96)))


def of(bundle: Path, *given: object) -> tuple[list[str], dict[str, str]]:
    able, left_out = candidates(load_bundle(bundle, roles=()).manifest, *given)
    assert [CpuCandidate.of(each.label) for each in able] == able
    return [each.label for each in able], left_out


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"int8": {"kld_mean": 0.002}}, None),
        ({"int8": {"kld_mean": 0.03, "tolerance": 0.05}}, None),
        ({}, "does not say how far"),
        ({"int8": 7}, "does not say how far"),
        ({"int8": {"kld_mean": "small"}}, "does not say how far"),
        ({"int8": {"kld_mean": 0.02}}, "a KLD of 0.02 from fp32, the tolerance is 0.01"),
        ({"int8": {"kld_mean": 0.06, "tolerance": 0.05}}, "the tolerance is 0.05"),
        ({"int8": {"kld_mean": math.nan}}, "a KLD of nan"),
    ],
)
def test_int8_must_have_been_compared_with_fp32(bundle: Path, metrics: dict, said: str | None) -> None:
    able, left_out = candidates(replace(load_bundle(bundle, roles=()).manifest, metrics=metrics))
    assert [each.label for each in able] == (["fp32", "int8"] if said is None else ["fp32"])
    assert left_out == {} if said is None else said in left_out["int8"]


def test_without_that_int8_is_taken_where_it_is_asked_for(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    write_bundle(bundle, replace(loaded.manifest, metrics={}), loaded.files)
    assert of(bundle, ("onnxruntime",), "int8") == (["int8"], {})


@pytest.mark.parametrize(
    ("backends", "precision", "able"),
    [
        (BOTH, "auto", ["fp32", "int8", "openvino fp32", "openvino int8", "openvino bf16"]),
        (BOTH, "fp32", ["fp32", "openvino fp32"]),
        (BOTH, "bf16", ["openvino bf16"]),
        (("openvino",), "auto", ["openvino fp32", "openvino int8", "openvino bf16"]),
        (("openvino",), "bf16", ["openvino bf16"]),
        (("onnxruntime",), "auto", ["fp32", "int8"]),
    ],
)
def test_both_engines_in_their_precisions(
    bundle: Path, backends: tuple[str, ...], precision: str, able: list[str]
) -> None:
    assert of(with_samples(bundle), backends, precision) == (able, {})


@pytest.mark.parametrize(
    ("backends", "precision", "able", "out"),
    [
        (BOTH, "auto", ["fp32", "int8"], ["openvino"]),
        (("openvino",), "auto", ["openvino fp32"], ["openvino int8", "openvino bf16"]),
        (("openvino",), "bf16", ["openvino bf16"], []),
    ],
)
def test_openvino_is_chosen_where_it_can_be_compared(
    bundle: Path, backends: tuple[str, ...], precision: str, able: list[str], out: list[str]
) -> None:
    assert of(bundle, backends, precision) == (able, dict.fromkeys(out, NO_SAMPLES))
