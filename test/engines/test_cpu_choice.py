"""Which graph runs on a CPU: measured once, kept, and measured again when what it was measured on changes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import INT8_ROLE, load_bundle, write_bundle
from selcon_ros.core.machine.processor import Processor
from selcon_ros.engines import choice_file, cpu_choice
from selcon_ros.engines.cpu_choice import open_fastest
from selcon_ros.engines.cpu_timing import fastest
from support.bundles import colour_bundle, with_int8
from support.choices import kept

ONE = CpuOptions(threads=1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return with_int8(colour_bundle(tmp_path / "colours", (64, 96)))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "engines"


def with_share(file: Path, share: float) -> None:
    """Let a kept measurement say something else of int8: who reads it, believes it."""
    record = json.loads(file.read_text())
    record["times"]["shares"]["int8"] = share
    file.write_text(json.dumps(record))


def test_the_first_start_measures_and_the_second_reads(bundle: Path, cache: Path) -> None:
    first = open_fastest(bundle, ONE, cache).choice
    assert first.times is not None and first.times.shares.keys() == {"fp32", "int8"}
    assert first.times.shares["fp32"] == 1 and min(first.times.milliseconds.values()) > 0
    assert first.precision == fastest(first.times)
    assert f"measured now; kept in {kept(cache)}" in first.why
    for share, precision, said in (
        (0.67, "int8", "int8, which takes 0.67 of"),
        (0.95, "fp32", "takes 0.95 of"),
    ):
        with_share(kept(cache), share)
        opened = open_fastest(bundle, ONE, cache)
        assert opened.choice.precision == precision and said in opened.choice.why
        assert ("int8" in opened.backend.name) is (precision == "int8")
        assert f"kept in {kept(cache)}" in opened.choice.why and "now" not in opened.choice.why


def test_int8_that_was_not_compared_is_not_taken_and_that_is_told(bundle: Path, cache: Path) -> None:
    loaded = load_bundle(bundle)
    write_bundle(bundle, replace(loaded.manifest, metrics={}), loaded.files)
    opened = open_fastest(bundle, ONE, cache)
    assert "int8" not in opened.backend.name and "does not say how far its int8" in opened.choice.why
    assert not cache.exists()


def test_one_graph_alone_is_not_measured(tmp_path: Path, cache: Path) -> None:
    opened = open_fastest(colour_bundle(tmp_path / "plain"), ONE, cache)
    assert (opened.choice.precision, opened.choice.times, opened.choice.why) == ("fp32", None, "")
    assert not cache.exists()


def other_graph(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    named = loaded.model + b"\x12\x01x"  # protobuf: the field producer_name
    write_bundle(bundle, loaded.manifest, loaded.files | {INT8_ROLE: named})


@pytest.mark.parametrize("changed", ["graph", "processor", "version", "cores", "threads", "spinning"])
def test_what_it_was_measured_on_decides_whether_it_holds(
    bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    open_fastest(bundle, ONE, cache)
    with_share(kept(cache), 0.01)
    options = {"threads": CpuOptions(2), "spinning": CpuOptions(1, spinning=True)}.get(changed, ONE)
    if changed == "graph":
        other_graph(bundle)
    elif changed == "processor":
        monkeypatch.setattr(choice_file, "processor", lambda: Processor("another", "0"))
    elif changed == "version":
        monkeypatch.setattr(choice_file, "engine_version", lambda _: "1.99.0")
    elif changed == "cores":
        monkeypatch.setattr(choice_file.os, "sched_getaffinity", lambda pid: range(64))
    again = open_fastest(bundle, options, cache).choice
    assert again.times is not None and "measured now" in again.why and "0.01" not in again.why
    monkeypatch.undo()
    assert len(list(cache.iterdir())) == 2


def test_a_folder_that_takes_no_file_is_told_and_no_fault(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for _ in range(2):
        opened = open_fastest(bundle, ONE, tmp_path / "file" / "engines")
        assert "measured now; not kept, so that each start measures: " in opened.choice.why
        assert "Not a directory" in opened.choice.why and opened.choice.times


def test_a_user_without_a_home(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "~nobody-of-this-name")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert "measured now; not kept: ~/.cache" in open_fastest(bundle, ONE, None).choice.why


@pytest.mark.parametrize("given", ["xdg", "home", "relative"])
def test_without_a_folder_it_is_kept_in_the_users(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", {"xdg": str(tmp_path / "xdg"), "home": "", "relative": "x"}[given])
    open_fastest(bundle, ONE, None)
    place = tmp_path / ("xdg" if given == "xdg" else "home/.cache") / "selcon_ros" / "engines"
    assert kept(place).name.startswith("colours-cpu-")


@pytest.mark.parametrize(("damaged", "left"), [(INT8_ROLE, "fp32"), ("model", "int8")])
def test_a_graph_that_does_not_run_gives_way(bundle: Path, cache: Path, damaged: str, left: str) -> None:
    loaded = load_bundle(bundle)
    write_bundle(bundle, loaded.manifest, loaded.files | {damaged: load_bundle(_other(bundle)).model})
    opened = open_fastest(bundle, ONE, cache)
    assert opened.choice.precision == left and "does not run" in opened.choice.why
    assert ("int8" in opened.backend.name) is (left == "int8")
    assert not cache.exists()


def _other(bundle: Path) -> Path:
    """A bundle whose graph takes images of another size."""
    return colour_bundle(bundle.parent / "other", (32, 32))


def test_where_no_graph_runs_the_last_fault_is_raised(bundle: Path, cache: Path) -> None:
    loaded, other = load_bundle(bundle), load_bundle(_other(bundle)).model
    write_bundle(bundle, loaded.manifest, {"model": other, INT8_ROLE: other})
    with pytest.raises(BackendError, match="the manifest says"):
        open_fastest(bundle, ONE, cache)


def test_where_memory_is_short_the_smaller_graph_runs_unmeasured(
    bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_choice, "free_memory", lambda: 10)
    opened = open_fastest(bundle, ONE, cache)
    assert "int8" in opened.backend.name and "int8, not measured: all graphs" in opened.choice.why
    assert not cache.exists()


def test_two_nodes_that_start_at_once(bundle: Path, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from selcon_ros.engines.cpu_choice import *\n"
        "print(open_fastest(Path(sys.argv[1]), CpuOptions(1), Path(sys.argv[2])).choice.why)"
    )
    command = [sys.executable, "-c", code, str(bundle), str(cache)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(f"kept in {kept(cache)}" in each for each in told)
    assert "measured now" not in open_fastest(bundle, ONE, cache).choice.why
