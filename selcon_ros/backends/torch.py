"""A bundle's ONNX graph run by torch: on NVIDIA GPUs as CUDA graphs, elsewhere on the CPU."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import Frames, Maps, Setup
from selcon_ros.core.bundle import Bundle
from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.core.manifest import Manifest
from selcon_ros.core.preprocess import check_frames, preprocess

if TYPE_CHECKING:
    from selcon_ros.backends.onnx_in_torch.devices import Array, Device, Runner
    from selcon_ros.backends.onnx_in_torch.program import Program

Size = tuple[int, int]
# From an image's size and the network's, both (height, width), to `rows` [h, H] and `columns` [w, W] float32.
Interpolation = Callable[[Size, Size], tuple[NDArray[np.float32], NDArray[np.float32]]]

IMAGE = ["image"]
FRAMES = ["frames", "rows", "columns"]
# Cameras have one or two sizes; each takes as much memory as the network's intermediate values.
SHAPES = 4


class TorchBackend:
    """A graph in torch. Its inputs are one of

    - `image` [N, 3, h, w] float32, normalised: images are prepared on the CPU,
    - `frames` [N, H, W, 3] uint8, `rows` [h, H], `columns` [w, W] float32: images are prepared in the graph,
      with the matrices that `interpolation` makes.

    Where the graph has a fixed N of 1, images are run one by one. `device` is "cuda" or "cpu"; None takes
    CUDA where there is a device. `threads` are torch's on the CPU, in the whole process. Raises BackendError
    for a model that is not what the manifest says or cannot be run, naming it by `subject`, and where CUDA
    cannot be had.
    """

    def __init__(
        self,
        model: bytes,
        subject: str,
        manifest: Manifest,
        device: str | None = None,
        threads: int | None = None,
        interpolation: Interpolation | None = None,
    ) -> None:
        self._subject, self._manifest, self._interpolation = subject, manifest, interpolation
        self.name, self._device, self._program = _open(model, subject, manifest, device, threads)
        inputs = self._program.inputs
        if sorted(inputs) not in (IMAGE, sorted(FRAMES)):
            raise BackendError(f"{subject}: its inputs must be {IMAGE} or {FRAMES}, got {list(inputs)}")
        self._varying = "image" if "image" in inputs else "frames"
        declared = inputs[self._varying].shape
        self._batches = declared is None or declared[0] != 1
        self._runners: OrderedDict[tuple[int, ...], Runner] = OrderedDict()
        # Warm-up, and a look at what the graph gives.
        self.run(np.zeros((1, *manifest.input_size, 3), np.uint8))

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (None without one) [N, C, gh, gw] float32 of [N, H, W, 3] uint8, RGB.

        The first run of a shape takes longer. Raises ImageError for other arrays, BackendError when torch
        fails, for example for lack of memory.
        """
        check_frames(frames)
        batches = [frames] if self._batches else [frame[None] for frame in frames]
        found = [self._infer(each) for each in batches]
        maps = {name: np.concatenate([each[name] for each in found]) for name in self._manifest.outputs}
        shape = (len(frames), len(self._manifest.actions), *self._manifest.map_grid)
        for name, output in maps.items():
            if output.shape != shape or output.dtype != np.float32:
                raise BackendError(
                    f"{self._subject}: output '{name}' is {output.dtype} {output.shape}, "
                    f"the manifest's actions and map_grid ask for float32 {shape}"
                )
        return maps["cam"], maps.get("affinity")

    def close(self) -> None:
        """Give up the memory that shapes took, on the device too."""
        self._runners.clear()
        self._device.release()

    def _infer(self, frames: Frames) -> "dict[str, Array]":
        array: Array = frames
        if self._varying == "image":
            array = np.concatenate([preprocess(frame, self._manifest) for frame in frames])
        try:
            return self._runner(array)(array)
        except RuntimeError as error:  # what torch raises when something fails on the device
            raise BackendError(f"{self._subject} failed in {self.name}: {first_line(error)}") from error

    def _runner(self, array: "Array") -> "Runner":
        """Return what runs arrays of this shape; the shapes used last are kept ready."""
        if array.shape in self._runners:
            self._runners.move_to_end(array.shape)
            return self._runners[array.shape]
        if len(self._runners) == SHAPES:
            self._runners.popitem(last=False)
            self._device.release()
        inputs = {self._varying: array}
        if self._varying == "frames":
            assert self._interpolation is not None, "a graph that takes frames needs matrices"
            size = array.shape[1], array.shape[2]
            inputs["rows"], inputs["columns"] = self._interpolation(size, self._manifest.input_size)
        self._runners[array.shape] = self._device.runner(self._program, inputs, self._varying)
        return self._runners[array.shape]


def open_engine(bundle: Bundle, setup: Setup) -> TorchBackend:
    """Open the bundle's fp32 model; see `selcon_ros.backends.base.open_backend`."""
    if "model" not in bundle.files:
        raise BackendError(f"torch does not run the int8 model of {bundle.path}: ask for precision fp32")
    subject = f"{bundle.manifest.files['model'].path} of bundle {bundle.path}"
    return TorchBackend(bundle.model, subject, bundle.manifest, threads=setup.threads)


def _open(
    model: bytes, subject: str, manifest: Manifest, place: str | None, threads: int | None
) -> "tuple[str, Device, Program]":
    try:
        import onnx  # noqa: F401 - so that what is missing is told here
        import torch
    except ImportError as error:
        raise BackendError(
            f"the torch backend is not usable ({error}): pip install 'selcon_ros[torch]'"
        ) from error
    from selcon_ros.backends.onnx_in_torch.devices import memory_told, open_device
    from selcon_ros.backends.onnx_in_torch.program import Program

    device = open_device(place, threads)
    with memory_told(subject):
        program = Program(model, subject, device.place, wanted=manifest.outputs)
    precision = "fp16" if program.half else "fp32"
    return f"torch {torch.__version__} ({device.name}, {precision})", device, program
