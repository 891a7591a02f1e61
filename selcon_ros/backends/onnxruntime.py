"""ONNX Runtime on the CPU."""

import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import Frames, Maps
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.bundle import INT8_ROLE, Bundle
from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.core.preprocess import check_frames, preprocess

if TYPE_CHECKING:
    import onnxruntime

INPUT = "image"


class OnnxRuntimeBackend:
    """A bundle's graph, the file of a role, in an ONNX Runtime session."""

    def __init__(self, bundle: Bundle, role: str, options: CpuOptions) -> None:
        self._subject = f"{bundle.manifest.files[role].path} of bundle {bundle.path}"
        self._manifest = manifest = bundle.manifest
        self._input_shape = (1, 3, *manifest.input_size)
        self._output_shape = (1, len(manifest.actions), *manifest.map_grid)
        self._session, version = _open_session(bundle.files[role], self._subject, options)
        self.name = f"ONNX Runtime {version} (CPU{', int8' if role == INT8_ROLE else ''})"
        self._check_signature()
        # Warm-up. It also shows the real output shapes where the graph leaves them open.
        self._infer(np.zeros(self._input_shape, np.float32))

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (None without one) [N, C, gh, gw] float32 of [N, H, W, 3] uint8, RGB."""
        check_frames(frames)
        # One image at a time: a batch saves 6 % at most, and its first answer would wait for the last.
        maps = [self._infer(preprocess(frame, self._manifest)) for frame in frames]
        cam, *affinity = [np.concatenate(each) for each in zip(*maps, strict=True)]
        return cam, affinity[0] if affinity else None

    def close(self) -> None:
        """Nothing is held beyond the process's own memory."""

    def _infer(self, image: NDArray[np.float32]) -> list[Maps]:
        """Return the outputs [1, C, gh, gw] of a network input [1, 3, h, w]."""
        names = self._manifest.outputs
        try:
            outputs: list[Maps] = self._session.run(names, {INPUT: image})
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{self._subject} failed in {self.name}: {first_line(error)}") from error
        for name, output in zip(names, outputs, strict=True):
            if output.shape != self._output_shape:
                raise BackendError(
                    f"{self._subject}: output '{name}' is {output.shape}, "
                    f"the manifest's actions and map_grid ask for {self._output_shape}"
                )
        return outputs

    def _check_signature(self) -> None:
        """Compare the graph's inputs and outputs with the manifest; open (named) dimensions fit anything."""
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        if list(inputs) != [INPUT]:
            raise BackendError(f"{self._subject}: its inputs must be ['{INPUT}'], got {list(inputs)}")
        missing = [name for name in self._manifest.outputs if name not in outputs]
        if missing:
            raise BackendError(f"{self._subject}: it lacks the outputs {missing}, it has {list(outputs)}")
        nodes = [(inputs[INPUT], self._input_shape)]
        nodes += [(outputs[name], self._output_shape) for name in self._manifest.outputs]
        for node, wanted in nodes:
            if node.type != "tensor(float)":
                raise BackendError(f"{self._subject}: '{node.name}' is {node.type}, it must be tensor(float)")
            fits = len(node.shape) == len(wanted) and all(
                not isinstance(size, int) or size == want
                for size, want in zip(node.shape, wanted, strict=True)
            )
            if not fits:
                raise BackendError(
                    f"{self._subject}: '{node.name}' is {node.shape}, the manifest says {list(wanted)}"
                )


def open_on_cpu(bundle: Bundle, options: CpuOptions | None = None) -> OnnxRuntimeBackend:
    """Open the bundle's model on the CPU and run it once, so that the first image is not slower.

    It is the int8 model of a bundle that was loaded with it (see `load_model`), else the fp32 one. Raises
    BackendError where ONNX Runtime is not installed, or the model is not what its manifest says.
    """
    options = options or CpuOptions()
    options.pin_thread()
    role = INT8_ROLE if INT8_ROLE in bundle.files else "model"
    return OnnxRuntimeBackend(bundle, role, options)


def _open_session(
    model: bytes, subject: str, options: CpuOptions
) -> "tuple[onnxruntime.InferenceSession, str]":
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(f"ONNX Runtime is not usable ({error}): pip install onnxruntime") from error
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.intra_op_num_threads = thread_count(options.threads)
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    # A plan of all buffers at once takes up to 10 MB more than the arena alone, and saves no time.
    settings.enable_mem_pattern = False
    settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    # Between frames the cores are left to the other nodes in any case.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(
            model, sess_options=settings, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the engine's errors share no base class
        raise BackendError(
            f"{subject} cannot be opened by ONNX Runtime {onnxruntime.__version__}: {first_line(error)}"
        ) from error
    # It would keep the file as long as it is open, for a change of providers, which there is none of.
    session._model_bytes = None
    return session, onnxruntime.__version__


def thread_count(threads: int | None) -> int:
    """Return the number of threads, 0 for the engine's own choice (one per core of the machine).

    The engine does not see that a container or taskset gives the process fewer cores.
    """
    if threads is not None:
        return threads
    allowed = len(os.sched_getaffinity(0))
    return allowed if allowed < (os.cpu_count() or allowed) else 0
