"""What was chosen on a CPU, and its file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from selcon_ros.engines import cpu_choice, cpu_measurement
from selcon_ros.engines.choice_record import CHOICE_SUFFIX, CpuTimes
from support.bundles import colour_bundle, with_int8, with_samples


def with_a_choice(folder: Path) -> Path:
    """Return a small bundle with an int8 graph, and samples to compare engines on."""
    return with_samples(with_int8(colour_bundle(folder, (64, 96))))


def kept(cache: Path) -> Path:
    """Return the one file of a folder of engines, which is a choice."""
    (file,) = cache.iterdir()
    assert file.suffix == CHOICE_SUFFIX
    return file


def times_of(reference: str = "fp32", **shares: float) -> CpuTimes:
    """Return a measurement by shares; in names `_` stands for the space of a label."""
    found = {name.replace("_", " "): share for name, share in shares.items()}
    return CpuTimes({name: 20 * each for name, each in found.items()}, found, 3, reference)


def measured_by(monkeypatch: pytest.MonkeyPatch, measure: Callable[..., CpuTimes]) -> None:
    """Let candidates be timed by `measure`, in this process."""

    def in_this_process(path: Path, *given: object) -> cpu_measurement.Measurement:
        return cpu_measurement.measure_all(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(cpu_measurement, "measure", measure)
    monkeypatch.setattr(cpu_choice, "measure_apart", in_this_process)
