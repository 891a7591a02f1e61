"""What an inference engine does for the grounder, and how to open one by name."""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.bundle import INT8_ROLE, Bundle
from selcon_ros.core.errors import BackendError

# Engine name: its module in selcon_ros.backends, which has `open_engine(bundle, role, threads)`.
ENGINES = {"onnxruntime": "onnxruntime"}


class Backend(Protocol):
    """A model opened in an engine. `run` may be called from any one thread at a time."""

    @property
    def name(self) -> str:
        """The engine, its version and device, as shown to users."""

    def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return cam and affinity [C, gh, gw] float32 of a network input [1, 3, h, w] float32.

        Affinity is None where the bundle's calibration does not need it (Manifest.outputs). Raises
        BackendError when the input has another shape or the engine fails.
        """


def open_backend(bundle: Bundle, engine: str = "onnxruntime", threads: int | None = None) -> Backend:
    """Open the bundle's model in an engine and run it once, so that the first frame is not slower.

    Of a bundle that was loaded with its int8 model, that one is opened (see `load_model`). `threads` is how
    many threads compute one frame (None: the engine's choice). Raises BackendError for an unknown engine,
    one that is not installed, or a model that is not what its manifest says.
    """
    if engine not in ENGINES:
        raise BackendError(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
    if threads is not None and threads < 1:
        raise BackendError(f"threads is {threads}: it must be at least 1")
    module = import_module(f"selcon_ros.backends.{ENGINES[engine]}")
    opener = cast(Callable[[Bundle, str, int | None], Backend], module.open_engine)
    return opener(bundle, INT8_ROLE if INT8_ROLE in bundle.files else "model", threads)
