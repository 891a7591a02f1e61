"""What an inference engine does for the grounder, and how to open one by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.bundle import Bundle
from selcon_ros.core.errors import BackendError

Frames = NDArray[np.uint8]
Maps = NDArray[np.float32]
# Backend name: its module in selcon_ros.backends, which has `open_engine(bundle, setup)`.
BACKENDS = {"onnxruntime": "onnxruntime"}


@dataclass(frozen=True)
class Setup:
    """How to run a model. Raises BackendError for a value out of range.

    threads: threads that compute one frame on the CPU; None: the engine's choice.
    """

    threads: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise BackendError(f"threads is {self.threads}: it must be at least 1")


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
    """Open the bundle's model in an engine and run it once, so that the first frame is not slower.

    Of a bundle that was loaded with its int8 model, that one is opened (see `load_model`). Raises
    BackendError for an unknown engine, one that is not installed, or a model that is not what its manifest
    says.
    """
    if backend not in BACKENDS:
        raise BackendError(f"unknown backend {backend!r}: choose one of {', '.join(BACKENDS)}")
    module = import_module(f"selcon_ros.backends.{BACKENDS[backend]}")
    opener = cast(Callable[[Bundle, Setup], Backend], module.open_engine)
    return opener(bundle, setup or Setup())
