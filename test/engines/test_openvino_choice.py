"""What is chosen on a CPU where OpenVINO is installed. The times are given, not those of this machine."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from selcon_ros.backends import openvino
from selcon_ros.backends.base import Backend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import INT8_ROLE, Manifest, load_bundle, write_bundle
from selcon_ros.engines import cpu_choice
from selcon_ros.engines.choice_record import CpuTimes
from selcon_ros.engines.cpu_choice import Opened, open_fastest
from support.bundles import colour_bundle
from support.choices import kept, measured_by, times_of, with_a_choice
from support.made_graphs import upside_down, with_foreign_operator
from support.openvino import needs_openvino

pytestmark = needs_openvino
ONE = CpuOptions(threads=1)
BOTH = ("onnxruntime", "openvino")
Given = Callable[..., list[list[str]]]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return with_a_choice(tmp_path / "colours")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "engines"


@pytest.fixture
def given_times(monkeypatch: pytest.MonkeyPatch) -> Given:
    """Let a measurement find these shares, 1 for others; returns the labels of each measurement."""

    def give(**shares: float) -> list[list[str]]:
        measured: list[list[str]] = []

        def measure(backends: Mapping[str, Backend], manifest: Manifest) -> CpuTimes:
            measured.append(list(backends))
            first, *_ = backends
            found = {label.replace(" ", "_"): 1.0 for label in backends} | shares
            return times_of(
                first, **{name: found[name] for name in found if name.replace("_", " ") in backends}
            )

        measured_by(monkeypatch, measure)
        return measured

    return give


def choose(bundle: Path, cache: Path, backends: tuple[str, ...] = BOTH, precision: str = "auto") -> Opened:
    return open_fastest(bundle, ONE, cache, backends, precision)


def test_openvino_is_taken_where_it_is_faster_and_that_is_kept(
    bundle: Path, cache: Path, given_times: Given
) -> None:
    measured = given_times(openvino_fp32=0.5, int8=0.7)
    first = choose(bundle, cache)
    assert first.backend.name.startswith("OpenVINO ") and first.backend.name.endswith("(CPU)")
    assert (first.choice.backend, first.choice.precision) == ("openvino", "fp32")
    assert first.choice.why.startswith(
        "openvino fp32, which takes 0.50 of the time of fp32 (10 ms against 20"
    )
    assert "int8 0.70" in first.choice.why and f"measured now; kept in {kept(cache)}" in first.choice.why
    again = choose(bundle, cache)
    assert again.backend.name == first.backend.name and "measured now" not in again.choice.why
    assert [each[:4] for each in measured] == [["fp32", "int8", "openvino fp32", "openvino int8"]]


def test_another_version_of_openvino_is_measured_again(
    bundle: Path, cache: Path, given_times: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = given_times()
    choose(bundle, cache)
    monkeypatch.setattr(openvino, "installed_version", lambda: "2099.1.0")
    choose(bundle, cache)
    assert len(measured) == 2 and len(list(cache.iterdir())) == 2


def test_one_that_disagrees_with_fp32_is_refused_and_that_is_kept(
    bundle: Path, cache: Path, given_times: Given
) -> None:
    loaded = load_bundle(bundle)
    write_bundle(bundle, loaded.manifest, loaded.files | {INT8_ROLE: upside_down(loaded.model)})
    measured = given_times(openvino_int8=0.2, openvino_fp32=0.9)
    for when in ("measured now", "kept in"):
        opened = choose(bundle, cache)
        assert opened.backend.name.startswith("ONNX Runtime") and opened.choice.precision == "fp32"
        assert when in opened.choice.why and opened.choice.failures == ()
        assert "without openvino int8: OpenVINO " in opened.choice.why
        assert "is farther from fp32 than the tolerance 0.01: heatmaps: KLD" in opened.choice.why
    assert len(measured) == 1


def test_where_that_is_all_that_was_asked_for_it_is_an_error(
    bundle: Path, cache: Path, given_times: Given
) -> None:
    loaded = load_bundle(bundle)
    write_bundle(bundle, loaded.manifest, loaded.files | {INT8_ROLE: upside_down(loaded.model)})
    given_times()
    with pytest.raises(BackendError, match=r"OpenVINO .*int8.* is farther from fp32 than the tolerance"):
        choose(bundle, cache, ("openvino",), "int8")
    assert not cache.exists()


def test_an_int8_graph_that_it_does_not_know_is_left_out(
    bundle: Path, cache: Path, given_times: Given
) -> None:
    """As those of transformers, which have operators of ONNX Runtime."""
    loaded = load_bundle(bundle)
    write_bundle(bundle, loaded.manifest, loaded.files | {INT8_ROLE: with_foreign_operator(loaded.model)})
    measured = given_times(openvino_fp32=0.5)
    for _ in range(2):
        opened = choose(bundle, cache)
        assert (opened.choice.backend, opened.choice.failures) == ("openvino", ())
        assert "without openvino int8: model.int8.onnx of bundle" in opened.choice.why
        assert "SampleOp" in opened.choice.why
    assert len(measured) == 1 and "openvino int8" not in measured[0]


def test_a_graph_that_it_cannot_read_is_a_failure_and_onnx_runtime_runs(
    bundle: Path, cache: Path, given_times: Given
) -> None:
    loaded = load_bundle(bundle)
    write_bundle(bundle, loaded.manifest, loaded.files | {"model": with_foreign_operator(loaded.model)})
    measured = given_times(int8=0.5)
    for _ in range(2):  # nothing is kept: the next start tries again
        opened = choose(bundle, cache)
        assert (opened.choice.backend, opened.choice.precision) == ("onnxruntime", "int8")
        (failure,) = opened.choice.failures
        assert failure.startswith("openvino fp32: model.onnx of bundle") and "SampleOp" in failure
    assert measured == [["fp32", "int8"]] * 2 and not cache.exists()


def test_one_that_was_chosen_and_does_not_run_any_more_gives_way(
    bundle: Path, cache: Path, given_times: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_times(openvino_fp32=0.5)
    assert choose(bundle, cache).choice.backend == "openvino"
    monkeypatch.setitem(sys.modules, "openvino", None)
    opened = choose(bundle, cache)
    assert (opened.choice.backend, opened.choice.precision) == ("onnxruntime", "fp32")
    assert opened.choice.failures[0].startswith("openvino fp32: it does not run: OpenVINO is not usable")
    monkeypatch.undo()
    assert choose(bundle, cache).choice.backend == "openvino"


def test_a_precision_that_was_asked_for_is_that_of_both(
    bundle: Path, cache: Path, given_times: Given
) -> None:
    measured = given_times(openvino_fp32=0.5)
    assert choose(bundle, cache, precision="fp32").choice.backend == "openvino"
    assert measured == [["fp32", "openvino fp32"]]


def test_named_alone_it_is_compared_once(bundle: Path, cache: Path, given_times: Given) -> None:
    measured = given_times()
    for when in ("measured now", "kept in"):
        opened = choose(bundle, cache, ("openvino",), "fp32")
        assert opened.choice.backend == "openvino" and opened.choice.why.startswith(
            "openvino fp32 (measured "
        )
        assert when in opened.choice.why
    assert measured == [["openvino fp32"]]


def test_without_samples_it_runs_where_it_is_named(tmp_path: Path, cache: Path, given_times: Given) -> None:
    bundle = colour_bundle(tmp_path / "colours", (64, 96))
    measured = given_times()
    opened = choose(bundle, cache, ("openvino",))
    assert opened.choice.backend == "openvino"
    assert opened.choice.why.startswith(
        "openvino fp32, not compared with fp32: the bundle has no sample pictures"
    )
    opened = choose(bundle, cache)
    assert (opened.choice.backend, measured) == ("onnxruntime", [])
    assert opened.choice.why.startswith("fp32; without openvino: the bundle has no sample pictures")


def test_cores_that_it_would_not_keep_to_leave_it_out(bundle: Path, cache: Path, given_times: Given) -> None:
    measured = given_times()
    before = os.sched_getaffinity(0)
    try:
        opened = open_fastest(bundle, CpuOptions(threads=2, cores=(min(before),)), cache, BOTH)
    finally:
        os.sched_setaffinity(0, before)
    assert "without openvino: OpenVINO's threads do not keep to the cores" in opened.choice.why
    assert measured == [["fp32", "int8"]]


def test_where_memory_is_short_openvino_is_left_out_first(
    bundle: Path, cache: Path, given_times: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(load_bundle(bundle).model)
    measured = given_times()
    monkeypatch.setattr(cpu_choice, "free_memory", lambda: 3 * 2 * size)
    opened = choose(bundle, cache)
    assert measured == [["fp32", "int8"]]
    assert (
        "all graphs together take" in opened.choice.why and "not kept, so that the next" in opened.choice.why
    )
    monkeypatch.setattr(cpu_choice, "free_memory", lambda: 10)
    opened = choose(bundle, cache, ("openvino",))
    assert opened.choice.why.startswith(
        "openvino fp32, not measured or compared with fp32: all graphs together"
    )
    assert not cache.exists()


def test_both_are_really_timed(bundle: Path, cache: Path) -> None:
    opened = choose(bundle, cache)
    assert opened.choice.times is not None
    assert {"fp32", "int8", "openvino fp32", "openvino int8"} <= opened.choice.times.shares.keys()
    assert min(opened.choice.times.milliseconds.values()) > 0
    assert json.loads(kept(cache).read_text())["key"]["engines"].keys() == set(BOTH)
