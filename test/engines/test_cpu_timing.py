"""How candidates are timed on a CPU, and which of them the times choose."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.backends.base import Backend
from selcon_ros.engines import cpu_timing
from selcon_ros.engines.cpu_timing import (
    MAX_TIME_SHARE,
    MAX_TURNS,
    MIN_OPENVINO_SPEEDUP,
    MIN_TURNS,
    explanation,
    fastest,
    measure,
)
from support.bundles import colour_manifest
from support.choices import times_of

share = st.floats(0.0, 1e6)


@given(st.fixed_dictionaries({"fp32": st.just(1.0)}, optional={"int8": share, "other": share}))
def test_fp32_stays_unless_another_is_clearly_faster(found: dict[str, float]) -> None:
    chosen = fastest(times_of(**found))
    if chosen != "fp32":
        assert found[chosen] <= MAX_TIME_SHARE and found[chosen] == min(found.values())
    else:
        assert all(each > MAX_TIME_SHARE for each in found.values())


class Clocks:
    """A process's time and the clock's on a loaded machine: both pass only while something runs."""

    def __init__(self, load: float) -> None:
        self.wall = self.cpu = 0.0
        self._load, self._random = load, random.Random(0)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cpu_timing.time, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(cpu_timing.time, "process_time", lambda: self.cpu)

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
    assert MIN_TURNS <= found.rounds <= MAX_TURNS and {each.runs for each in engines.values()} == {
        found.rounds
    }


@pytest.mark.parametrize(("seconds", "rounds"), [(1e-6, MAX_TURNS), (0.125, 4), (30.0, MIN_TURNS)])
def test_it_takes_about_a_second(monkeypatch: pytest.MonkeyPatch, seconds: float, rounds: int) -> None:
    clocks = Clocks(0.0)
    clocks.use(monkeypatch)
    engines = {name: clocks.engine(seconds) for name in ("fp32", "int8")}
    assert measure(engines, colour_manifest()).rounds == rounds


@pytest.mark.parametrize(
    ("found", "left_out", "chosen"),
    [
        ({"fp32": 1.0, "int8": 0.8, "openvino_fp32": 0.62}, (), "int8"),  # 1.29 times faster
        ({"fp32": 1.0, "int8": 0.8, "openvino_fp32": 0.61}, (), "openvino fp32"),
        (
            {"fp32": 1.0, "int8": 0.95, "openvino_fp32": 0.74},
            (),
            "fp32",
        ),  # than int8, though int8 is not worth it
        ({"fp32": 1.0, "int8": 0.95, "openvino_fp32": 0.73}, (), "openvino fp32"),
        ({"fp32": 1.0, "openvino_fp32": 0.5, "openvino_bf16": 0.46}, (), "openvino fp32"),
        ({"fp32": 1.0, "openvino_fp32": 0.5, "openvino_bf16": 0.44}, (), "openvino bf16"),
        ({"fp32": 1.0, "openvino_fp32": 0.9, "openvino_bf16": 0.5}, (), "openvino bf16"),
        ({"fp32": 1.0, "openvino_fp32": 0.9, "openvino_bf16": 0.5}, ("openvino bf16",), "fp32"),
        ({"int8": 1.0, "openvino_int8": 0.5}, (), "openvino int8"),
        (
            {"openvino_fp32": 1.0, "openvino_bf16": 0.5, "openvino_int8": 0.4},
            ("openvino int8",),
            "openvino bf16",
        ),
    ],
)
def test_openvino_must_be_clearly_faster_than_onnx_runtime(
    found: dict[str, float], left_out: tuple[str, ...], chosen: str
) -> None:
    times = times_of(next(iter(found)).replace("_", " "), **found)
    assert fastest(times, left_out) == chosen
    assert explanation(times, dict.fromkeys(left_out, "a reason"), "now").startswith(chosen)


@given(st.dictionaries(st.sampled_from(["int8", "openvino_fp32", "openvino_int8", "openvino_bf16"]), share))
def test_openvino_is_never_chosen_for_less(found: dict[str, float]) -> None:
    times = times_of(fp32=1.0, **found)
    chosen = fastest(times)
    best = min(each for label, each in times.shares.items() if not label.startswith("openvino"))
    if chosen.startswith("openvino"):
        assert MIN_OPENVINO_SPEEDUP * times.shares[chosen] <= best


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"fp32": 1.0, "int8": 0.95, "openvino_fp32": 0.9},
            "fp32, for openvino fp32 takes 0.90 of its time, not at most 0.73 (18 ms against 20 ms of CPU; "
            "int8 0.95; now)",
        ),
        (
            {"fp32": 1.0, "int8": 0.8, "openvino_fp32": 0.7},
            "int8, which takes 0.80 of the time of fp32 (16 ms against 20 ms of CPU; openvino fp32 0.70; "
            "OpenVINO must be at least 1.3 times faster; now)",
        ),
        (
            {"fp32": 1.0, "int8": 0.8, "openvino_fp32": 0.5},
            "openvino fp32, which takes 0.50 of the time of fp32 (10 ms against 20 ms of CPU; int8 0.80; "
            "now)",
        ),
        (
            {"fp32": 1.0, "int8": 0.95},
            "fp32, for int8 takes 0.95 of its time, not at most 0.9 (19 ms against",
        ),
    ],
)
def test_it_says_what_was_chosen_and_why(found: dict[str, float], said: str) -> None:
    assert explanation(times_of(**found), {}, "now").startswith(said)


def test_it_says_what_was_left_out() -> None:
    times = times_of("openvino fp32", openvino_fp32=1.0)
    assert explanation(times, {"openvino bf16": "none here"}, "now") == (
        "openvino fp32 (now); without openvino bf16: none here"
    )
