"""Which graph runs on a CPU: measured once, kept, and measured again when what it was measured on changes."""

import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.backends.base import Backend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.bundle import INT8_ROLE, load_bundle, write_bundle
from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.processor import Processor
from selcon_ros.engines import cpu_choice
from selcon_ros.engines.choice_record import (
    CHOICE,
    ChoiceKey,
    ChoiceRecord,
    CpuTimes,
    read_choice,
    write_choice,
)
from selcon_ros.engines.cpu_choice import LEAST, MOST, WORTH, candidates, fastest, measure, open_fastest
from support.bundles import colour_bundle, colour_manifest, with_int8

ONE = CpuOptions(threads=1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return with_int8(colour_bundle(tmp_path / "colours", (64, 96)))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "engines"


def kept(cache: Path) -> Path:
    (file,) = cache.iterdir()
    assert file.suffix == CHOICE
    return file


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
    assert able == (["fp32", "int8"] if said is None else ["fp32"])
    assert said is None or said in left_out


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


def shares(**found: float) -> CpuTimes:
    return CpuTimes({name: 20 * each for name, each in found.items()}, found, 3)


share = st.floats(0.0, 1e6)


@given(st.fixed_dictionaries({"fp32": st.just(1.0)}, optional={"int8": share, "other": share}))
def test_fp32_stays_unless_another_is_clearly_faster(found: dict[str, float]) -> None:
    chosen = fastest(shares(**found))
    if chosen != "fp32":
        assert found[chosen] <= WORTH and found[chosen] == min(found.values())
    else:
        assert all(each > WORTH for each in found.values())


class Clocks:
    """A process's time and the clock's on a loaded machine: both pass only while something runs."""

    def __init__(self, load: float) -> None:
        self.wall = self.cpu = 0.0
        self._load, self._random = load, random.Random(0)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cpu_choice.time, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(cpu_choice.time, "process_time", lambda: self.cpu)

    def engine(self, seconds: float) -> Backend:
        clocks = self

        class Engine:
            name, runs = "made", 0

            def run(self, frames: np.ndarray) -> None:
                self.runs += 1
                # Others empty the caches, which costs the process little; that it waits costs the clock much.
                clocks.cpu += seconds * (1 + clocks._random.expovariate(1) * min(0.1, clocks._load))
                clocks.wall += seconds * (1 + clocks._random.expovariate(1) * clocks._load)

            def close(self) -> None: ...

        return Engine()  # type: ignore[return-value]


@pytest.mark.parametrize("load", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("share", "chosen"), [(0.5, "int8"), (0.8, "int8"), (1.0, "fp32"), (1.3, "fp32")])
def test_a_loaded_machine_decides_as_a_quiet_one(
    monkeypatch: pytest.MonkeyPatch, load: float, share: float, chosen: str
) -> None:
    clocks = Clocks(load)
    clocks.use(monkeypatch)
    engines = {"fp32": clocks.engine(0.02), "int8": clocks.engine(0.02 * share)}
    found = measure(engines, colour_manifest())
    assert fastest(found) == chosen
    assert LEAST <= found.rounds <= MOST and {each.runs for each in engines.values()} == {found.rounds}


@pytest.mark.parametrize(("seconds", "rounds"), [(1e-6, MOST), (0.125, 4), (30.0, LEAST)])
def test_it_takes_about_a_second(monkeypatch: pytest.MonkeyPatch, seconds: float, rounds: int) -> None:
    clocks = Clocks(0.0)
    clocks.use(monkeypatch)
    engines = {name: clocks.engine(seconds) for name in ("fp32", "int8")}
    assert measure(engines, colour_manifest()).rounds == rounds


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
        monkeypatch.setattr(cpu_choice, "processor", lambda: Processor("another", "0"))
    elif changed == "version":
        monkeypatch.setattr(cpu_choice, "_version", lambda: "1.99.0")
    elif changed == "cores":
        monkeypatch.setattr(cpu_choice.os, "sched_getaffinity", lambda pid: range(64))
    again = open_fastest(bundle, options, cache).choice
    assert again.times is not None and "measured now" in again.why and "0.01" not in again.why
    monkeypatch.undo()
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not valid JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[]", "must hold an object"),
        (b"{}", "is no record of ours"),
        (b'{"key": {}, "times": {}, "measured": ""}', "is no record of ours"),
        ("other key", "was measured of another graph or processor"),
        ("no int8", "must be numbers from zero of fp32, int8"),
        ("below", "must be numbers from zero"),
        ("text", "shares is not what it must be"),
    ],
)
def test_a_damaged_record_is_told_and_measured_again(
    bundle: Path, cache: Path, content: bytes | str, said: str
) -> None:
    open_fastest(bundle, ONE, cache)
    file = kept(cache)
    record = json.loads(file.read_text())
    if content == "other key":
        record["key"]["cores"] += 1
    elif isinstance(content, str):
        record["times"]["shares"] = {
            "no int8": {"fp32": 1.0},
            "below": {"fp32": 1.0, "int8": -1.0},
            "text": {"fp32": 1.0, "int8": "fast"},
        }[content]
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(record).encode())
    why = open_fastest(bundle, ONE, cache).choice.why
    assert f"measured now; again, for {file}" in why and said in why and f"; kept in {file}" in why
    assert "measured now" not in open_fastest(bundle, ONE, cache).choice.why


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
    assert "int8" in opened.backend.name and "int8, not measured: both graphs" in opened.choice.why
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


def test_a_record_is_of_its_key(tmp_path: Path) -> None:
    key = ChoiceKey({"fp32": "a", "int8": "b"}, "cpu", "0", 2, 0, False, "1.32.0", "0.1.0")
    file = key.path(tmp_path, "name/of a bundle")
    assert file.parent == tmp_path and file.name == f"name_of_a_bundle-cpu-{key.digest}{CHOICE}"
    record = ChoiceRecord.of(key, shares(fp32=1.0, int8=0.5))
    write_choice(file, record)
    assert read_choice(file, key) == record
    with pytest.raises(EngineError, match="another graph or processor"):
        read_choice(file, replace(key, cores=4))
