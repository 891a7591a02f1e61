"""What an inference engine does for the grounder, and how to open one by name."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.bundle import Bundle
from selcon_ros.core.errors import BackendError, NotInstalledError, first_line
from selcon_ros.core.text import quoted

_MOST_CORES = 1 << 13
Frames = NDArray[np.uint8]
Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """A backend that can be asked for: its module in selcon_ros.backends, which has
    `open_engine(bundle, setup, name)`, the precisions it runs, the one to prefer first, and what pip
    installs for it."""

    module: str
    precisions: tuple[str, ...]
    package: str

    @property
    def gpu(self) -> bool:
        """Whether it runs on a GPU, from the bundle's fp32 graph and its samples."""
        return "fp16" in self.precisions


# Those that run on a GPU come first, the fastest first: the order in which `auto` tries them.
BACKENDS = {
    "tensorrt": Choice("tensorrt", ("fp16", "fp32", "int8"), "selcon_ros[trt]"),
    "tensorrt_rtx": Choice("tensorrt", ("fp16", "fp32", "int8"), "selcon_ros[rtx]"),
    "torch": Choice("torch", ("fp16", "fp32"), "selcon_ros[torch]"),
    "onnxruntime_cuda": Choice("onnxruntime_graph", ("fp16", "fp32"), "selcon_ros[engine]"),
    "onnxruntime_tensorrt": Choice("onnxruntime_graph", ("fp16", "fp32"), "selcon_ros[engine]"),
    "onnxruntime": Choice("onnxruntime", ("int8", "fp32"), "onnxruntime"),
}


@dataclass(frozen=True)
class Setup:
    """How to run a model. Raises BackendError for a value out of range.

    threads: threads that compute one frame on the CPU; None: one per core. cores: CPU cores that the thread
    which opens the engine and the engine's own keep to; empty: all. spinning: whether threads of the CPU's
    engine wait busily for each other within a frame. warm_up: runs before the first frame. precision: of a
    GPU's engine. device: number of the GPU. build: whether an engine that is missing may be built; progress
    is told what is done and its share, 0..1. cache: folder of engines; None: the user's. batch: images at
    once that an engine must be built for (least, best, most); None: as it comes.
    """

    threads: int | None = None
    cores: tuple[int, ...] = ()
    spinning: bool = False
    warm_up: int = 1
    precision: str = "fp16"
    device: int = 0
    build: bool = False
    cache: Path | None = None
    batch: tuple[int, int, int] | None = None
    progress: Callable[[str, float], None] = lambda phase, share: None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise BackendError(f"threads is {self.threads}: it must be at least 1")
        if self.warm_up < 1:
            raise BackendError(f"warm_up is {self.warm_up}: it must be at least 1")
        allowed = os.sched_getaffinity(0)
        if not set(self.cores) <= allowed:
            raise BackendError(
                f"cores are {format_cores(self.cores)}: this process may use {format_cores(allowed)}"
            )


def parse_cores(text: str) -> tuple[int, ...]:
    """Return the core numbers of a list such as "0,2-5", as taskset takes it; "" is none.

    Raises BackendError for anything else.
    """
    cores: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < _MOST_CORES):
            raise BackendError(f"cores is {quoted(text)}: give core numbers and ranges, as in 0,2-5")
        cores |= set(range(int(first), int(last) + 1))
    return tuple(sorted(cores))


def format_cores(cores: Iterable[int]) -> str:
    """Return core numbers as text."""
    return ",".join(map(str, sorted(cores)))


class Backend(Protocol):
    """A model opened in an engine. `run` may be called from any one thread at a time."""

    @property
    def name(self) -> str:
        """The engine, its version, device and precision, as shown to users."""

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity [N, C, gh, gw] float32 of N RGB images of one size, [N, H, W, 3] uint8.

        Affinity is None where the bundle's calibration does not need it (Manifest.outputs). Raises
        ImageError for other arrays, BackendError when the engine fails or gives maps of another shape.
        """

    def close(self) -> None:
        """Release what the engine holds; it is not run again. Closing twice is allowed."""


def open_backend(bundle: Bundle, backend: str = "onnxruntime", setup: Setup | None = None) -> Backend:
    """Open the bundle's model in an engine and run it, so that the first frame is not slower.

    onnxruntime opens the int8 model of a bundle that was loaded with it (see `load_model`); GPU backends
    need a bundle loaded with its samples. Raises BackendError for an unknown engine, one that is not
    installed, or a model that is not what its manifest says.
    """
    if backend not in BACKENDS:
        raise BackendError(f"unknown backend {backend!r}: choose one of {', '.join(BACKENDS)}")
    module = import_module(f"selcon_ros.backends.{BACKENDS[backend].module}")
    opener = cast(Callable[[Bundle, Setup, str], Backend], module.open_engine)
    setup = setup or Setup()
    if setup.cores:
        os.sched_setaffinity(0, setup.cores)  # of this thread: those that it starts have it too
    try:
        opened = opener(bundle, setup, backend)
    except ImportError as error:
        if (error.name or "").startswith("selcon_ros"):
            raise  # a fault of ours
        raise NotInstalledError(
            f"backend {backend} needs {error.name or first_line(error)}: "
            f"pip install '{BACKENDS[backend].package}'"
        ) from error
    for _ in range(setup.warm_up - 1):  # opening is the first
        opened.run(np.zeros((1, *bundle.manifest.input_size, 3), np.uint8))
    return opened
