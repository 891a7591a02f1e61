"""ONNX Runtime with a graph that resizes and normalises by itself, on any of its devices."""

from __future__ import annotations

import numpy as np

from selcon_ros.backends.base import Frames, Maps
from selcon_ros.core.errors import BackendError, NotInstalledError, first_line
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import check_frames, graph_inputs

CPU_PROVIDER = "CPUExecutionProvider"
PROVIDERS = {
    "onnxruntime_cuda": "CUDAExecutionProvider",
    "onnxruntime_tensorrt": "TensorrtExecutionProvider",
}


class OnnxRuntimeGraph:
    """A prepared graph (`engines.prepared_graph.Preparation`) in a session on one provider.

    options: the provider's own. Raises NotInstalledError where ONNX Runtime lacks the provider, BackendError
    where it does not start: ONNX Runtime would run all on the CPU then, a slow path that nobody sees.
    """

    def __init__(
        self,
        manifest: Manifest,
        graph: bytes,
        provider: str,
        subject: str,
        options: dict[str, str] | None = None,
    ) -> None:
        import onnxruntime

        self._manifest, self._subject = manifest, subject
        short = provider.removesuffix("ExecutionProvider")
        self.name = f"ONNX Runtime {require_provider(provider)} ({short})"
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        # What TensorRT does not take, CUDA does; sizes and shapes are computed on the CPU.
        others = [PROVIDERS["onnxruntime_cuda"], CPU_PROVIDER] if provider != CPU_PROVIDER else []
        if provider == CPU_PROVIDER:
            # Fusions of fp16 layers would compute them in fp32.
            settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                graph,
                settings,
                providers=[(provider, options or {}), *(each for each in others if each != provider)],
            )
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{subject} cannot be opened by {self.name}: {first_line(error)}") from error
        if provider not in self._session.get_providers():
            raise BackendError(f"{self.name} does not start here: are the driver, CUDA and cuDNN installed?")
        self._batches = self._session.get_inputs()[0].shape[0] != 1
        self.run(np.zeros((1, *manifest.input_size, 3), np.uint8))

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (None without one) [N, C, gh, gw] float32 of [N, H, W, 3] uint8, RGB."""
        check_frames(frames)
        parts = [self._infer(each) for each in ([frames] if self._batches else frames[:, None])]
        cam, *affinity = [np.concatenate(each) for each in zip(*parts, strict=True)]
        return cam, affinity[0] if affinity else None

    def _infer(self, frames: Frames) -> list[Maps]:
        try:
            maps: list[Maps] = self._session.run(
                list(self._manifest.outputs), graph_inputs(frames, self._manifest)
            )
        except Exception as error:  # the engine's errors share no base class
            raise BackendError(f"{self._subject} failed in {self.name}: {first_line(error)}") from error
        return maps

    def close(self) -> None:
        """Release the session."""
        self._session = None


def require_provider(provider: str) -> str:
    """Return ONNX Runtime's version. Raises NotInstalledError where it lacks the provider."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise NotInstalledError(
            f"this ONNX Runtime has no {provider} (it has {', '.join(available)}): install onnxruntime-gpu "
            "in place of onnxruntime"
        )
    return str(onnxruntime.__version__)
