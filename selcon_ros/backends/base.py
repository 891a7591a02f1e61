"""What an inference engine does for the grounder, and which there are."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Maps = NDArray[np.float32]
T = TypeVar("T")
CPU_BACKEND = "onnxruntime"
"""Runs everywhere."""
OPENVINO = "openvino"
MAX_CACHED_SHAPES = 4
"""Input shapes whose buffers and CUDA graph stay cached on a GPU (LRU): cameras have one or two sizes, and
each takes as much memory as the network's intermediate values."""


class ShapeCache(OrderedDict[tuple[int, ...], T]):
    """What runs inputs of a shape, for the MAX_CACHED_SHAPES shapes used last."""

    def get_or_make(
        self, shape: tuple[int, ...], make: Callable[[], T], free: Callable[[T], None] | None = None
    ) -> T:
        """Return what runs a shape. Before it is made, the one used longest ago gives way: it is handed to
        `free`, and nothing here refers to it any more when `make` is called."""
        if shape not in self:
            if len(self) >= MAX_CACHED_SHAPES:
                _, oldest = self.popitem(last=False)
                if free is not None:
                    free(oldest)
                del oldest
            self[shape] = make()
        self.move_to_end(shape)
        return self[shape]


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


@dataclass(frozen=True)
class BackendInfo:
    """A backend that can be asked for.

    precisions: those that it runs, the one to prefer first. package: what pip installs for it.
    on_gpu: whether it runs on a GPU, from the bundle's fp32 graph and its samples.
    """

    precisions: tuple[str, ...]
    package: str
    on_gpu: bool = True


# Those that run on a GPU come first, the fastest first: the order in which `auto` tries them. Those on the
# CPU it times.
BACKENDS = {
    "tensorrt": BackendInfo(("fp16", "fp32", "int8"), "selcon_ros[trt]"),
    "tensorrt_rtx": BackendInfo(("fp16", "fp32", "int8"), "selcon_ros[rtx]"),
    "torch": BackendInfo(("fp16", "fp32"), "selcon_ros[torch]"),
    "onnxruntime_cuda": BackendInfo(("fp16", "fp32"), "selcon_ros[engine]"),
    "onnxruntime_tensorrt": BackendInfo(("fp16", "fp32"), "selcon_ros[engine]"),
    OPENVINO: BackendInfo(("bf16", "int8", "fp32"), "selcon_ros[openvino]", on_gpu=False),
    CPU_BACKEND: BackendInfo(("int8", "fp32"), "onnxruntime", on_gpu=False),
}
