"""What backends on the CPU share: one image after another, and the comparison with the manifest."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import Frames, Maps
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import Bundle
from selcon_ros.core.grounding.preprocess import check_frames, preprocess

INPUT_NAME = "image"
FLOAT32_TENSOR = "tensor(float)"
"""The type of all inputs and outputs."""


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: its name, type and shape.

    In a shape anything but a number is open; None: it is not known.
    """

    name: str
    type: str
    shape: Sequence[object] | None


class CpuBackend(ABC):
    """A bundle's graph, the file of a role, in an engine that computes one image at a time."""

    name: str

    def __init__(self, bundle: Bundle, role: str) -> None:
        self._subject = f"{bundle.manifest.files[role].path} of bundle {bundle.path}"
        self._manifest = manifest = bundle.manifest
        self._input_shape = (1, 3, *manifest.input_size)
        self._output_shape = (1, len(manifest.actions), *manifest.map_grid)

    def run(self, frames: Frames) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (None without one) [N, C, gh, gw] float32 of [N, H, W, 3] uint8, RGB."""
        check_frames(frames)
        # One image at a time: a batch saves 6 % at most, and its first answer would wait for the last.
        maps = [self._infer(preprocess(frame, self._manifest)) for frame in frames]
        cam, *affinity = [np.concatenate(each) for each in zip(*maps, strict=True)]
        return cam, affinity[0] if affinity else None

    @abstractmethod
    def close(self) -> None:
        """Release what the engine holds; it is not run again. Closing twice is allowed."""

    @abstractmethod
    def _compute(self, image: NDArray[np.float32]) -> list[Maps]:
        """Return the outputs of `Manifest.outputs` of an image [1, 3, h, w].

        Raises BackendError when the engine fails.
        """

    def _warm_up(self) -> None:
        """Run once. It also shows the real output shapes where the graph leaves them open."""
        self._infer(np.zeros(self._input_shape, np.float32))

    def _infer(self, image: NDArray[np.float32]) -> list[Maps]:
        """Return the outputs [1, C, gh, gw] of a network input [1, 3, h, w]."""
        outputs = self._compute(image)
        for name, output in zip(self._manifest.outputs, outputs, strict=True):
            if output.shape != self._output_shape:
                raise BackendError(
                    f"{self._subject}: output '{name}' is {output.shape}, "
                    f"the manifest's actions and map_grid ask for {self._output_shape}"
                )
        return outputs

    def _check_signature(self, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        """Compare the graph's inputs and outputs with the manifest. Raises BackendError."""
        there = {port.name: port for port in outputs}
        names = [port.name for port in inputs]
        if names != [INPUT_NAME]:
            raise BackendError(f"{self._subject}: its inputs must be ['{INPUT_NAME}'], got {names}")
        missing = [name for name in self._manifest.outputs if name not in there]
        if missing:
            raise BackendError(f"{self._subject}: it lacks the outputs {missing}, it has {list(there)}")
        ports = [(inputs[0], self._input_shape)]
        ports += [(there[name], self._output_shape) for name in self._manifest.outputs]
        for port, wanted in ports:
            if port.type != FLOAT32_TENSOR:
                raise BackendError(
                    f"{self._subject}: '{port.name}' is {port.type}, it must be {FLOAT32_TENSOR}"
                )
            shape = wanted if port.shape is None else port.shape
            fits = len(shape) == len(wanted) and all(
                not isinstance(size, int) or size == want for size, want in zip(shape, wanted, strict=True)
            )
            if not fits:
                raise BackendError(
                    f"{self._subject}: '{port.name}' is {list(shape)}, the manifest says {list(wanted)}"
                )
