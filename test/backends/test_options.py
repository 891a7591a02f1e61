"""How the CPU is used: threads, cores and spinning."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.backends import onnxruntime
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions, format_cores, parse_cores, thread_count
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import load_bundle
from support.bundles import colour_bundle
from support.processes import cores_of_new_threads


@given(st.sets(st.integers(0, 8191)))
def test_cores_are_read_as_they_are_written(cores: set[int]) -> None:
    assert parse_cores(format_cores(cores)) == tuple(sorted(cores))


def test_ranges_of_cores() -> None:
    assert parse_cores("0, 2-4,7") == (0, 2, 3, 4, 7)
    assert parse_cores("") == ()


@pytest.mark.parametrize("text", ["two", "1-", "-1", "3-2", "1,x", "0-99999999999", "1.5", "²"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BackendError, match="give core numbers and ranges"):
        parse_cores(text)


def test_values_out_of_range() -> None:
    with pytest.raises(BackendError, match="cores are 4000: this process may use 0"):
        CpuOptions(cores=(4000,))
    with pytest.raises(BackendError, match="threads is 0: it must be at least 1"):
        CpuOptions(threads=0)


def test_the_engine_s_threads_keep_to_their_cores(tmp_path: Path) -> None:
    bundle, one = colour_bundle(tmp_path / "colours"), min(os.sched_getaffinity(0))
    made = cores_of_new_threads(
        before="from selcon_ros.backends.onnxruntime import open_on_cpu; import onnxruntime",
        bundle=bundle,
        options=f"threads=3, cores=({one},)",
        opening="open_on_cpu(bundle, options)",
    )
    assert made == [1, 1, 1]  # the worker and two of the engine's


@pytest.mark.parametrize(("spinning", "value"), [(False, "0"), (True, "1")])
def test_threads_spin_if_asked_to(tmp_path: Path, spinning: bool, value: str) -> None:
    bundle = load_bundle(colour_bundle(tmp_path / "colours"))
    backend = open_on_cpu(bundle, CpuOptions(spinning=spinning))
    assert isinstance(backend, onnxruntime.OnnxRuntimeBackend)
    options = backend._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == value


def test_threads_follow_the_process_s_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert thread_count(None) == 3
    assert thread_count(1) == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert thread_count(None) == 0
