"""Every engine on this machine, in turns: `selcon bench engines`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from selcon_ros.backends.base import BACKENDS, Backend
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions, GpuOptions
from selcon_ros.bench.report import Table
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import load_with_samples
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.machine.timing import Times, time_alternately
from selcon_ros.core.outputs.heatmap_agreement import agreement
from selcon_ros.model import load

CAMERA_SIZE = (480, 640)
"""Size (H, W) of the camera image."""
NOTES = [
    "Time: from one camera image of 640×480, uint8, to the maps of all actions. The engines take turns in "
    "one process, block by block, and the first run of a block does not count.",
    "KLD of the heatmaps, mean: from ONNX Runtime fp32 on the CPU, on the bundle's samples.",
]


@dataclass
class MeasuredEngine:
    """A backend in a precision on a bundle: its times and its KLD from fp32 (None without samples), or the
    reason why there are none."""

    bundle: str
    backend: str
    precision: str
    engine: str = ""
    times: Times | None = None
    kld: float | None = None
    reason: str = ""

    @property
    def title(self) -> str:
        """What it is called in the report."""
        return f"{self.backend} {self.precision}"


def measure_engines(
    path: Path, rounds: int, runs: int, cpu: CpuOptions, gpu: GpuOptions, tell: Callable[[str], None]
) -> list[MeasuredEngine]:
    """Measure every backend in each of its precisions; what does not run here is measured as that.

    Raises SelconError for a bad bundle.
    """
    bundle = load_with_samples(path)
    name, no_gpu = bundle.manifest.name, not has_gpu()
    found: list[MeasuredEngine] = []
    opened: list[tuple[MeasuredEngine, Backend]] = []
    with ExitStack() as stack:
        for backend, choice in BACKENDS.items():
            for precision in choice.precisions:
                found.append(each := MeasuredEngine(name, backend, precision))
                tell(f"{name}: opening {each.title}")
                try:
                    if choice.on_gpu and no_gpu:
                        raise SelconError("no NVIDIA GPU here")
                    model = stack.enter_context(load(path, backend, precision, cpu, gpu))
                except SelconError as error:
                    # The page tells of the bundle, not of where it lay.
                    each.reason = str(error).replace(str(path), name)
                else:
                    each.engine = model.backend.name
                    opened.append((each, model.backend))
        if bundle.sample_files:
            tell(f"{name}: comparing with fp32")
            images = read_samples(bundle)
            exact = Grounder(bundle, open_on_cpu(bundle, CpuOptions(cpu.threads)))
            for each, engine in opened:
                each.kld = agreement(exact, Grounder(bundle, engine), images).kld_mean
        tell(f"{name}: timing {len(opened)} engines in turns")
        frame = np.random.default_rng(0).integers(0, 256, (1, *CAMERA_SIZE, 3), np.uint8)
        times = time_alternately(
            {each.title: partial(engine.run, frame) for each, engine in opened}, rounds, runs
        )
        for each, _ in opened:
            each.times = times[each.title]
    return found


def table(found: list[MeasuredEngine]) -> Table:
    """What was measured of a bundle."""
    lines = [
        (
            each.title,
            each.engine,
            f"{each.times.median:.2f}",
            f"{each.times.p95:.2f}",
            f"{1e3 / each.times.median:.0f}",
            "no samples" if each.kld is None else f"{max(0.0, each.kld):.5f}",
        )
        for each in found
        if each.times is not None
    ]
    missing = tuple((each.title, each.reason) for each in found if each.times is None)
    header = ("engine", "library", "median, ms", "p95, ms", "images/s", "KLD from fp32")
    return Table(found[0].bundle, header, tuple(lines), missing)
