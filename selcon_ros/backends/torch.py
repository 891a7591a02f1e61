"""A bundle's ONNX graph run by torch: on NVIDIA GPUs as CUDA graphs, elsewhere on the CPU."""

from typing import TYPE_CHECKING

import numpy as np

from selcon_ros.backends.base import Frames, Maps, ShapeCache
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.core.errors import BackendError, NotInstalledError, first_line
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import COLUMNS, FRAMES, ROWS, check_frames, graph_inputs, preprocess

if TYPE_CHECKING:
    from selcon_ros.backends.onnx_in_torch.devices import Array, Runner, TorchDevice
    from selcon_ros.backends.onnx_in_torch.program import Program

INPUT_NAME = "image"


class TorchBackend:
    """A graph in torch. Its inputs are one of

    - `image` [N, 3, h, w] float32, normalised: images are prepared on the CPU,
    - those of `core.grounding.preprocess.graph_inputs`: images are prepared in the graph.

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
    ) -> None:
        self._subject, self._manifest = subject, manifest
        self.name, self._device, self._program = _open(model, subject, manifest, device, threads)
        inputs = self._program.inputs
        prepared = {FRAMES, ROWS, COLUMNS}
        if set(inputs) not in ({INPUT_NAME}, prepared):
            raise BackendError(
                f"{subject}: its inputs must be {[INPUT_NAME]} or {sorted(prepared)}, got {list(inputs)}"
            )
        self._varying = INPUT_NAME if INPUT_NAME in inputs else FRAMES
        declared = inputs[self._varying].shape
        self._batches = declared is None or declared[0] != 1
        self._runners: ShapeCache[Runner] = ShapeCache()
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
        if self._varying == FRAMES:
            inputs = graph_inputs(frames, self._manifest)
        else:
            inputs = {INPUT_NAME: np.concatenate([preprocess(frame, self._manifest) for frame in frames])}
        try:
            return self._runner(inputs)(inputs[self._varying])
        except RuntimeError as error:  # what torch raises when something fails on the device
            raise BackendError(f"{self._subject} failed in {self.name}: {first_line(error)}") from error

    def _runner(self, inputs: "dict[str, Array]") -> "Runner":
        """Return what runs inputs of these shapes; the shapes used last are kept ready."""

        def make() -> "Runner":
            self._device.release()  # the memory of the one that gave way
            return self._device.runner(self._program, inputs, self._varying)

        return self._runners.get_or_make(inputs[self._varying].shape, make)


def require_torch(device: int | None = None) -> str:
    """Return torch's version; with `device`, that CUDA device is this thread's from now on.

    Raises NotInstalledError without torch or a driver, BackendError without that device.
    """
    try:
        import onnx  # noqa: F401 - so that what is missing is told here
        import torch
    except ImportError as error:
        raise NotInstalledError(
            f"the torch backend is not usable ({error}): pip install 'selcon_ros[torch]'"
        ) from error
    if device is not None:
        if not has_gpu():
            raise NotInstalledError("no NVIDIA driver here, or no GPU: choose onnxruntime for the CPU")
        if device >= torch.cuda.device_count():
            raise BackendError(f"no GPU number {device}: torch shows {torch.cuda.device_count()}")
        torch.cuda.set_device(device)
    return str(torch.__version__)


def _open(
    model: bytes, subject: str, manifest: Manifest, place: str | None, threads: int | None
) -> "tuple[str, TorchDevice, Program]":
    version = require_torch()
    from selcon_ros.backends.onnx_in_torch.devices import memory_errors, open_device
    from selcon_ros.backends.onnx_in_torch.program import Program

    device = open_device(place, threads)
    with memory_errors(subject):
        program = Program(model, subject, device.place, wanted=manifest.outputs)
    precision = "fp16" if program.half else "fp32"
    return f"torch {version} ({device.name}, {precision})", device, program
