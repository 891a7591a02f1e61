"""ONNX Runtime with a graph that resizes and normalises by itself, on any of its devices."""

from __future__ import annotations

import numpy as np

from selcon_ros.backends.base import Backend, Frames, Maps, Setup
from selcon_ros.core.bundle import Bundle
from selcon_ros.core.errors import BackendError, NotInstalledError, first_line
from selcon_ros.core.manifest import Manifest
from selcon_ros.core.preprocess import graph_inputs

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "onnxruntime_cuda": "CUDAExecutionProvider",
    "onnxruntime_tensorrt": "TensorrtExecutionProvider",
}


class OnnxRuntimeGraph:
    """A prepared graph (`engines.graph.prepare`) in a session on one provider.

    What the provider cannot run goes to the CPU: with a GPU's provider that is refused, since it would be a
    slow path that nobody sees.
    """

    def __init__(self, manifest: Manifest, graph: bytes, provider: str, subject: str) -> None:
        import onnxruntime

        self._manifest, self._subject = manifest, subject
        short = provider.removesuffix("ExecutionProvider")
        self.name = f"ONNX Runtime {_require(provider)} ({short})"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if provider == CPU:
            # Fusions of fp16 layers would compute them in fp32.
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        else:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=[provider])
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{subject} cannot be opened by {self.name}: {first_line(error)}") from error
        if provider not in self._session.get_providers():
            raise BackendError(f"{self.name} does not start here: is the NVIDIA driver installed?")
        self.run(np.zeros((1, *manifest.input_size, 3), np.uint8))

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (None without one) [N, C, gh, gw] float32 of [N, H, W, 3] uint8, RGB."""
        inputs = graph_inputs(frames, self._manifest)
        try:
            cam, *affinity = self._session.run(list(self._manifest.outputs), inputs)
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{self._subject} failed in {self.name}: {first_line(error)}") from error
        return cam, affinity[0] if affinity else None

    def close(self) -> None:
        """Release the session."""
        self._session = None


def open_engine(bundle: Bundle, setup: Setup, name: str) -> Backend:
    """Prepare the bundle's graph, open it and compare; see `selcon_ros.backends.base.open_backend`."""
    # Preparing needs the onnx package, which a robot without a GPU does not.
    from selcon_ros.engines.cache import Cache
    from selcon_ros.engines.graph import verified
    from selcon_ros.engines.provide import graph

    _require(PROVIDERS[name])
    prepared = graph(bundle, setup.precision, Cache(setup.cache), setup.progress)
    subject = f"the {setup.precision} graph of bundle {bundle.path}"
    return verified(bundle, OnnxRuntimeGraph(bundle.manifest, prepared, PROVIDERS[name], subject))


def _require(provider: str) -> str:
    """Return ONNX Runtime's version. Raises NotInstalledError where it lacks the provider."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise NotInstalledError(
            f"this ONNX Runtime has no {provider} (it has {', '.join(available)}): install onnxruntime-gpu "
            "in place of onnxruntime"
        )
    return str(onnxruntime.__version__)
