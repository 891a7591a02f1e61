"""ONNX Runtime on the CPU."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import Maps
from selcon_ros.backends.on_cpu import INPUT_NAME, CpuBackend, Port
from selcon_ros.backends.options import CpuOptions, thread_count
from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.core.grounding.bundle import INT8_ROLE, Bundle

if TYPE_CHECKING:
    import onnxruntime


class OnnxRuntimeBackend(CpuBackend):
    """A bundle's graph, the file of a role, in an ONNX Runtime session."""

    def __init__(self, bundle: Bundle, role: str, options: CpuOptions) -> None:
        super().__init__(bundle, role)
        self._session, version = _open_session(bundle.files[role], self._subject, options)
        self.name = f"ONNX Runtime {version} (CPU{', int8' if role == INT8_ROLE else ''})"
        self._check_signature(_ports(self._session.get_inputs()), _ports(self._session.get_outputs()))
        self._warm_up()

    def close(self) -> None:
        """Nothing is held beyond the process's own memory."""

    def _compute(self, image: NDArray[np.float32]) -> list[Maps]:
        try:
            outputs: list[Maps] = self._session.run(self._manifest.outputs, {INPUT_NAME: image})
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{self._subject} failed in {self.name}: {first_line(error)}") from error
        return outputs


def _ports(nodes: "list[onnxruntime.NodeArg]") -> list[Port]:
    return [Port(node.name, node.type, node.shape) for node in nodes]


def open_on_cpu(bundle: Bundle, options: CpuOptions | None = None) -> OnnxRuntimeBackend:
    """Open the bundle's model on the CPU and run it once, so that the first image is not slower.

    It is the int8 model of a bundle that was loaded with it (see `model_role`), else the fp32 one. Raises
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
