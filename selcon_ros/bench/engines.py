"""Every engine on this machine, in turns (`selcon bench engines`), and one action against all of a frame."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import BACKENDS, Backend
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions, GpuOptions
from selcon_ros.bench.report import ReportRow, Table
from selcon_ros.core.bundle import Bundle, load_bundle, sample_roles
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounder import Grounder
from selcon_ros.core.heatmap_agreement import agreement
from selcon_ros.core.samples import read_samples
from selcon_ros.core.timing import Times, time_alternately
from selcon_ros.model import Model, load

CAMERA = (480, 640)
"""Size (H, W) of the camera image."""
NOTES = [
    "Time: from one camera image of 640×480, uint8, to the maps of all actions. The engines take turns in "
    "one process, block by block, and the first run of a block does not count.",
    "KLD of the heatmaps, mean: from ONNX Runtime fp32 on the CPU, on the bundle's samples.",
]


@dataclass(frozen=True)
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
    bundle = load_bundle(path, roles=("model",))
    name = bundle.manifest.name
    opened: dict[tuple[str, str], Backend] = {}
    reasons: dict[tuple[str, str], str] = {}
    there_is_one = has_gpu()
    with ExitStack() as stack:
        for backend, choice in BACKENDS.items():
            for precision in choice.precisions:
                tell(f"{name}: opening {backend} {precision}")
                try:
                    if choice.on_gpu and not there_is_one:
                        raise SelconError("no NVIDIA GPU here")
                    model: Model = load(path, backend, precision, cpu, gpu)
                except SelconError as error:
                    # The page tells of the bundle, not of where it lay.
                    reasons[backend, precision] = str(error).replace(str(path), name)
                else:
                    stack.callback(model.close)
                    opened[backend, precision] = model.backend
        tell(f"{name}: comparing with fp32")
        images = _samples(path)
        reference = Grounder(bundle, open_on_cpu(bundle, CpuOptions(cpu.threads))) if images else None
        klds = {
            key: agreement(reference, Grounder(bundle, each), images).kld_mean if reference else None
            for key, each in opened.items()
        }
        tell(f"{name}: timing {len(opened)} engines in turns")
        frame = np.random.default_rng(0).integers(0, 256, (1, *CAMERA, 3), np.uint8)
        functions = {" ".join(key): _runner(each, frame) for key, each in opened.items()}
        times = time_alternately(functions, rounds, runs)
        measured = {
            key: MeasuredEngine(name, *key, each.name, times[" ".join(key)], klds[key])
            for key, each in opened.items()
        }
    pairs = [(backend, precision) for backend, each in BACKENDS.items() for precision in each.precisions]
    return [measured.get(key) or MeasuredEngine(name, *key, reason=reasons[key]) for key in pairs]


def rows(found: list[MeasuredEngine]) -> list[ReportRow]:
    """One row for each that ran: its median, with no limit."""
    return [
        ReportRow(f"{each.bundle}: {each.title}", each.times.median, "ms", f"p95 {each.times.p95:.1f} ms")
        for each in found
        if each.times is not None
    ]


def tables(found: list[MeasuredEngine]) -> list[Table]:
    """One table for each bundle."""
    return [_table(name, [each for each in found if each.bundle == name]) for name in _names(found)]


def as_data(found: list[MeasuredEngine]) -> list[dict[str, Any]]:
    """The measurements as JSON takes them."""
    return [asdict(each) for each in found]


def _names(found: list[MeasuredEngine]) -> list[str]:
    return list(dict.fromkeys(each.bundle for each in found))


def _table(name: str, found: list[MeasuredEngine]) -> Table:
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
    return Table(name, header, tuple(lines), missing)


def _samples(path: Path) -> list[NDArray[np.uint8]]:
    roles = sample_roles(load_bundle(path, roles=()).manifest.files)
    return read_samples(load_bundle(path, roles=roles)) if roles else []


def _runner(backend: Backend, frame: NDArray[np.uint8]) -> Callable[[], object]:
    return lambda: backend.run(frame)


def measure_actions(bundle: Bundle, image: NDArray[np.uint8], rounds: int, runs: int) -> dict[str, Times]:
    """Time camera image (H×W×3 uint8 RGB) to heatmaps at its size: of "one" action and of "all"."""
    grounder = Grounder(bundle, open_on_cpu(bundle))

    def ground(actions: tuple[str, ...]) -> Callable[[], object]:
        def run() -> object:
            grounding = grounder.ground(image)
            return [grounding.heatmap(action) for action in actions]

        return run

    return time_alternately(
        {"one": ground(grounder.actions[:1]), "all": ground(grounder.actions)}, rounds, runs
    )
