"""A program run for inputs of fixed shapes: on the CPU, or on a GPU as one CUDA graph."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selcon_ros.backends.onnx_in_torch.program import NO_MEMORY, Program, ShapedProgram
from selcon_ros.core.errors import BackendError, first_line

_log = logging.getLogger(__name__)
# Runs before a capture, besides the one that plans: libraries choose algorithms and take their work space.
_WARM_UP = 2
_GIB = 1 << 30

Array = NDArray[Any]
# What runs a program on a new array for the input that varies, and returns the outputs.
Runner = Callable[[Array], dict[str, Array]]


class TorchDevice(Protocol):
    """Where programs run; `place` is what torch calls it, `name` what users do."""

    place: str
    name: str

    def runner(self, program: Program, inputs: Mapping[str, Array], varying: str) -> Runner:
        """Prepare a program for inputs of these shapes and values; `varying` is what each run replaces."""

    def release(self) -> None:
        """Give memory back that nothing uses any more."""


def open_device(place: str | None, threads: int | None) -> TorchDevice:
    """Return "cuda" or "cpu", or without a choice CUDA where there is a device.

    `threads` are torch's on the CPU, in the whole process (None: as they are). Raises BackendError where CUDA
    is asked for and cannot be had.
    """
    if place not in ("cuda", "cpu", None):
        raise BackendError(f"unknown device {place!r}: choose cuda or cpu")
    if place == "cpu" or (place is None and not torch.cuda.is_available()):
        return Cpu(threads)
    if torch.version.cuda is None and torch.version.hip is None:
        raise BackendError(
            f"torch {torch.__version__} is built without CUDA: install a CUDA build of it "
            "(https://pytorch.org/get-started), or choose the CPU"
        )
    if not torch.cuda.is_available():
        raise BackendError("torch sees no CUDA device: check that nvidia-smi lists one, or choose the CPU")
    return Cuda()


class Cpu:
    """The CPU, by torch's own threads."""

    place = "cpu"
    name = "CPU"

    def __init__(self, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)

    def runner(self, program: Program, inputs: Mapping[str, Array], varying: str) -> Runner:
        """See Device.runner."""
        # Copies: torch writes, and an image may be a view of a message that is read only.
        given = {name: torch.from_numpy(np.array(value)) for name, value in inputs.items()}
        plan = program.plan(given)

        def run(array: Array) -> dict[str, Array]:
            found = plan.run(given | {varying: torch.from_numpy(np.array(array))})
            return {name: each.numpy() for name, each in found.items()}

        return run

    def release(self) -> None:
        """Nothing is kept."""


class Cuda:
    """The current CUDA device, with one stream for everything."""

    place = "cuda"

    def __init__(self) -> None:
        self.name = torch.cuda.get_device_name()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._capturing = True

    def runner(self, program: Program, inputs: Mapping[str, Array], varying: str) -> Runner:
        """See Device.runner. Memory, on the device and for transfers, is taken here and not in a run."""
        with self._at_work(program), _as_fp32():
            given = {name: torch.from_numpy(np.array(value)).to("cuda") for name, value in inputs.items()}
            uploaded, slot = _pinned(given[varying]), given[varying]
            plan = program.plan(given)
            for _ in range(_WARM_UP):
                results = plan.run(given)
            compute, results = self._captured(plan, given, results)
            downloaded = {name: _pinned(each) for name, each in results.items()}

        def run(array: Array) -> dict[str, Array]:
            with self._at_work(program):
                # From here to `synchronize` everything is only queued, in the stream's order.
                np.copyto(uploaded.numpy(), array, casting="no")
                slot.copy_(uploaded, non_blocking=True)
                for name, each in compute().items():
                    downloaded[name].copy_(each, non_blocking=True)
                self._stream.synchronize()
                return {name: each.numpy().copy() for name, each in downloaded.items()}

        return run

    def release(self) -> None:
        """Return freed memory to the device."""
        torch.cuda.empty_cache()

    @contextmanager
    def _at_work(self, program: Program) -> Iterator[None]:
        with torch.inference_mode(), torch.cuda.stream(self._stream), memory_errors(program.subject):
            yield

    def _captured(
        self, plan: ShapedProgram, given: Mapping[str, Tensor], results: dict[str, Tensor]
    ) -> tuple[Callable[[], dict[str, Tensor]], dict[str, Tensor]]:
        """Return what computes, from and to the same memory each time, and where the results are."""

        def plain() -> dict[str, Tensor]:
            with _as_fp32():
                return plan.run(given)

        if not self._capturing:
            return plain, results
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads of the process may use CUDA meanwhile: what they do is not captured.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                results = plan.run(given)
        except NO_MEMORY:
            raise
        except RuntimeError as error:
            self._capturing = False
            _log.warning(
                "torch captures no CUDA graph on %s (%s): frames are computed without, which takes longer",
                self.name,
                first_line(error),
            )
            return plain, results

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return results

        return replay, results


def _pinned(like: Tensor) -> Tensor:
    """Return memory of the CPU that stays where it is, so that transfers need not be waited for."""
    return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)


@contextmanager
def _as_fp32() -> Iterator[None]:
    """Let float32 be computed as float32, half precision be summed up as float32, and cuDNN choose by trying.

    TF32, torch's default in convolutions, keeps 10 bits of the mantissa, as half precision does: the parts of
    a graph that are left in float32 are left so because that is too few. The settings are the process's;
    whatever runs beside this finds its own again.
    """
    products = torch.backends.cuda.matmul
    precision = torch.get_float32_matmul_precision()
    reduced = products.allow_fp16_reduced_precision_reduction
    torch.set_float32_matmul_precision("highest")
    products.allow_fp16_reduced_precision_reduction = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        products.allow_fp16_reduced_precision_reduction = reduced


@contextmanager
def memory_errors(subject: str) -> Iterator[None]:
    """Turn a lack of memory on the GPU into a BackendError about `subject` that says how much is free."""
    try:
        yield
    except NO_MEMORY as error:
        free, total = torch.cuda.mem_get_info()
        raise BackendError(
            f"{subject} finds no GPU memory, {free / _GIB:.1f} of {total / _GIB:.1f} GiB are free: "
            "give fewer images at once, end other programs on the GPU, or use another backend"
        ) from error
