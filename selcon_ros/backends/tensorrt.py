"""TensorRT and TensorRT for RTX on an NVIDIA GPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from selcon_ros.backends.base import Frames, Maps, ShapeCache
from selcon_ros.backends.cuda import Buffer, CudaDevice, CudaGraph
from selcon_ros.backends.tensorrt_library import EngineLibrary, LibraryErrors
from selcon_ros.core.errors import BackendError, EngineError
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import COLUMNS, FRAMES, ROWS, check_frames, graph_inputs

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SerializedEngine:
    """A built engine.

    subject: what messages call it. precision: as it was built. largest_batch: images at once at most.
    largest_image: largest camera image (H, W) that it takes; larger ones are shrunk before.
    """

    library: EngineLibrary
    content: bytes
    subject: str
    precision: str
    largest_batch: int
    largest_image: tuple[int, int]


class TensorRtBackend:
    """A built engine on one GPU; the thread that opens it runs and closes it."""

    def __init__(self, manifest: Manifest, built: SerializedEngine, device: int = 0) -> None:
        """Load the engine. Raises BackendError where it is foreign, or does not fit the GPU."""
        trt = built.library.load()
        self._manifest = manifest
        self._largest_batch, self._largest_image = built.largest_batch, built.largest_image
        self._messages = LibraryErrors(built.library)
        self._shapes: ShapeCache[_Shape] = ShapeCache()
        self._device = CudaDevice(device)
        self.name = f"{built.library.title} {trt.__version__} ({self._device.gpu.name}, {built.precision})"
        self._open = True
        try:
            with self._device.current():
                self._runtime = trt.Runtime(self._messages.logger)
                self._engine = self._runtime.deserialize_cuda_engine(built.content)
            if self._engine is None:
                raise EngineError(str(self._messages.error(f"cannot load {built.subject}; build it again")))
            self._check(trt, built.subject)
            self.run(np.zeros((1, *manifest.input_size, 3), np.uint8))
        except BaseException:
            self.close()
            raise

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (None without one) [N, C, gh, gw] float32 of [N, H, W, 3] uint8, RGB."""
        check_frames(frames)
        most = self._largest_batch
        parts = [self._run(frames[start : start + most]) for start in range(0, len(frames), most)]
        cam, *affinity = [np.concatenate(each) for each in zip(*parts, strict=True)]
        return cam, affinity[0] if affinity else None

    def _run(self, frames: Frames) -> list[Maps]:
        inputs = graph_inputs(frames, self._manifest, self._largest_image)

        def make() -> _Shape:
            return _Shape(self._device, self._new_context, self._manifest, inputs, self._messages)

        with self._device.current():
            shape = self._shapes.get_or_make(inputs[FRAMES].shape, make, free=_Shape.free)
            return shape.run(inputs[FRAMES])

    def _new_context(self) -> Any:
        # Nothing but this object holds the engine, no frame of a traceback either: the engine has to end
        # before the GPU's context does.
        return self._engine.create_execution_context()

    def close(self) -> None:
        """Release the engine and all it has on the GPU."""
        if not self._open:
            return
        self._open = False
        with self._device.current():
            while self._shapes:
                self._shapes.popitem()[1].free()
            # The library's objects release GPU memory as they go, which takes the context.
            self._engine = self._runtime = None
        self._device.close()

    def _check(self, trt: Any, subject: str) -> None:
        """Compare the engine's inputs and outputs with the manifest."""
        manifest = self._manifest
        names = {self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)}
        wanted = {FRAMES, ROWS, COLUMNS, *manifest.outputs}
        if not wanted <= names:
            raise EngineError(
                f"engine {subject} has the tensors {sorted(names)}, not {sorted(wanted)}; build it again"
            )
        for name in manifest.outputs:
            given = self._engine.get_tensor_dtype(name)
            if given != trt.float32:
                raise EngineError(
                    f"engine {subject}: output '{name}' is {given}, not float32; build it again"
                )


class _Shape:
    """Memory, an execution context and recorded work for images of one number and size.

    Recorded work holds only for the context as it was: each size has its own.
    """

    def __init__(
        self,
        device: CudaDevice,
        new_context: Callable[[], Any],
        manifest: Manifest,
        inputs: dict[str, Any],
        messages: Any,
    ) -> None:
        self._device, self._messages = device, messages
        self._inputs: dict[str, Buffer] = {}
        self._outputs: dict[str, Buffer] = {}
        self._recording: CudaGraph | None = None
        self._context: Any = None
        try:
            self._prepare(new_context, manifest, inputs)
        except BaseException:
            self.free()
            raise

    def _prepare(self, new_context: Callable[[], Any], manifest: Manifest, inputs: dict[str, Any]) -> None:
        maps = (len(inputs[FRAMES]), len(manifest.actions), *manifest.map_grid)
        for name, value in inputs.items():
            self._inputs[name] = self._device.buffer(value.shape, value.dtype)
        for name in manifest.outputs:
            self._outputs[name] = self._device.buffer(maps, np.float32)
        self._context = new_context()
        if self._context is None:
            raise self._messages.error("cannot make an execution context; is the GPU's memory full?")
        for name, value in inputs.items():
            if not self._context.set_input_shape(name, value.shape):
                raise self._messages.error(f"does not take {name} of shape {value.shape}")
        for name in manifest.outputs:
            given = tuple(self._context.get_tensor_shape(name))
            if given != maps:
                raise EngineError(
                    f"the engine's output '{name}' is {given}, the manifest's actions and map_grid ask for "
                    f"{maps}; build it again"
                )
        for name, buffer in {**self._inputs, **self._outputs}.items():
            self._context.set_tensor_address(name, buffer.address)
        for name in (ROWS, COLUMNS):
            np.copyto(self._inputs[name].host, inputs[name])
            self._device.upload(self._inputs[name])
        # Once as it is: engines finish their preparations in the first run, which cannot be recorded.
        np.copyto(self._inputs[FRAMES].host, inputs[FRAMES])
        self._queue()
        self._device.wait()
        try:
            self._recording = self._device.record(self._queue)
        except BackendError as error:
            _log.warning("no CUDA graph of this engine (%s): images take longer", error)

    def run(self, frames: Frames) -> list[Maps]:
        """Return the output maps of images of this size: copies, since the next run writes over them."""
        np.copyto(self._inputs[FRAMES].host, frames)
        if self._recording is not None:
            self._recording.launch()
        else:
            self._queue()
        self._device.wait()
        return [buffer.host.copy() for buffer in self._outputs.values()]

    def free(self) -> None:
        """Release it all."""
        self._device.settle()
        if self._recording is not None:
            self._recording.free()
        self._context = None
        buffers: list[Buffer] = [*self._inputs.values(), *self._outputs.values()]
        for buffer in buffers:
            buffer.free()

    def _queue(self) -> None:
        self._device.upload(self._inputs[FRAMES])
        if not self._context.execute_async_v3(self._device.stream):
            raise self._messages.error("cannot run the engine")
        for buffer in self._outputs.values():
            self._device.download(buffer)
