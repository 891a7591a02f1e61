"""The parts of `python -m benchmarks gpu`: each gives its results one after the other, as JSON takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gpu_backends import backend, onnx_runtime
from benchmarks.gpu_network import SIZES, NetworkSize, count_operations, in_precision, timm_network
from benchmarks.gpu_timing import (
    Network,
    allow_tf32,
    as_torch_has_it,
    captured,
    from_host,
    in_turns,
    milliseconds,
    network_in,
    relative_error,
    timing,
    type_of,
)
from selcon_ros.core.errors import SelconError
from selcon_ros.core.machine.timing import Times

if TYPE_CHECKING:
    from torch import Tensor

Result = dict[str, Any]
MEASURED_PRECISIONS = {"cuda": ("fp32", "tf32", "fp16", "bf16"), "cpu": ("fp32", "bf16")}
FAST_PRECISION = {"cuda": "fp16", "cpu": "fp32"}
"""The precision of what takes long to prepare."""
GRAPH_OF_COMPILED = "compiled, CUDA graph"
MATRIX_SIDES = {"cuda": 8192, "cpu": 256}
"""Side of the matrices whose product shows what a device can do; many CPUs take bfloat16 value by value."""


@dataclass(frozen=True)
class GpuTask:
    """What the measuring process is told. device: cuda or cpu; size: of SIZES; seconds: of each timing;
    clone: the authors' repository, or None."""

    device: str
    size: str
    batches: tuple[int, ...]
    seconds: float
    clone: str | None

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> GpuTask:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return GpuTask(**{**values, "batches": tuple(values["batches"])})

    @property
    def numbers(self) -> NetworkSize:
        """The numbers of the network."""
        return SIZES[self.size]

    def images(self, count: int) -> Tensor:
        """Return images [count, 3, side, side] on the CPU, the same at each call."""
        import torch

        side = self.numbers.side
        return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def device_facts(task: GpuTask) -> Iterator[Result]:
    """What the device is, the operations of an image, and the rate of one large matrix product."""
    import torch

    name = torch.cuda.get_device_name() if task.device == "cuda" else "CPU"
    operations = count_operations(timm_network(task.numbers), task.images(1))
    yield {"device": name, "torch": torch.__version__, "operations": operations}
    side = MATRIX_SIDES[task.device]
    for precision in MEASURED_PRECISIONS[task.device]:
        allow_tf32(precision)
        left, right = (torch.randn(side, side, device=task.device).to(type_of(precision)) for _ in range(2))

        def product(left: Tensor = left, right: Tensor = right) -> None:
            torch.mm(left, right)
            _wait(task)

        times = Times.of(milliseconds(product, task.seconds))
        yield {"precision": precision, "peak": 2e3 * side**3 / times.median}


def errors(task: GpuTask) -> Iterator[Result]:
    """How far maps in each precision are from those of the same network in float64."""
    import torch

    net, images = timm_network(task.numbers).to(task.device), task.images(4).to(task.device)
    with torch.inference_mode():
        exact = in_precision(net, torch.float64)(images.double())
    for precision in MEASURED_PRECISIONS[task.device]:
        found = network_in(net, precision)(images)
        yield {"precision": precision, "error": relative_error(found, exact)}


def eager(task: GpuTask) -> Iterator[Result]:
    """The network as torch runs it, operator by operator."""
    return _every(task, "eager", lambda run, images: run)


def cuda_graph(task: GpuTask) -> Iterator[Result]:
    """The same as one CUDA graph."""
    _needs_gpu(task)
    return _every(task, "CUDA graph", captured)


def compiled(task: GpuTask) -> Iterator[Result]:
    """One image through torch.compile, and that as a CUDA graph."""
    return _compiled(task, _one_image(task), task.batches[:1])


def compiled_large(task: GpuTask) -> Iterator[Result]:
    """The same of the larger batches, the largest first, by programs that leave their size open.

    torch may limit that to a range of sizes; then it compiles again.
    """
    _needs_compiler(task)
    net = timm_network(task.numbers).to(task.device)
    run = network_in(net, FAST_PRECISION[task.device], compiled=True, any_batch=True)
    return _compiled(task, run, task.batches[:0:-1])


def authors(task: GpuTask) -> Iterator[Result]:
    """The authors' code, in turns with ours: one image from the process's memory to maps there."""
    import torch

    from benchmarks.training_steps import authors_network

    if task.clone is None:
        raise SelconError("give a clone of their repository: --authors")
    on_gpu, images, precision = task.device == "cuda", task.images(1), FAST_PRECISION[task.device]
    if on_gpu:
        run = captured(_one_image(task), images.to(task.device))
    else:
        run = network_in(timm_network(task.numbers), precision)
    as_torch_has_it()
    theirs, label = authors_network(Path(task.clone), task.device).eval(), torch.zeros(1, dtype=torch.int64)
    pictures = torch.randn(1, 3, 224, 224)

    def step() -> object:
        maps = theirs.test_forward(pictures.to(task.device), label.to(task.device))
        return [each.cpu() for each in maps]

    spent = in_turns(from_host(run, images, task.device), step, 4 * task.seconds)
    ours, others = (Times.of(each) for each in spent)
    yield {
        "mode": GRAPH_OF_COMPILED if on_gpu else "eager",
        "precision": precision,
        "batch": 1,
        "ours_ms": ours.median,
        "theirs_ms": others.median,
        "ratio": others.median / ours.median,
    }


def training(task: GpuTask) -> Iterator[Result]:
    """One training step at batch 8, ours and the authors' in turns."""
    from benchmarks.gpu_training import own_step
    from benchmarks.training import SEEN_STEPS
    from benchmarks.training_steps import authors_step

    as_torch_has_it()
    ours, seconds = own_step(task.device, task.numbers), 10 * task.seconds
    if task.clone is None:
        spent = {"ours": milliseconds(ours, seconds)}
    else:
        theirs = authors_step(Path(task.clone), task.device)
        spent = dict(zip(("ours", "the authors' code"), in_turns(ours, theirs, 2 * seconds), strict=True))
    for who, each in spent.items():
        times = Times.of(each)
        yield {
            "who": who, "step_ms": times.median, "p95_ms": times.p95, "steps": times.count,
            "seen_minutes": times.median * SEEN_STEPS / 60e3,
        }  # fmt: skip


PARTS: dict[str, Callable[[GpuTask], Iterator[Result]]] = {
    "device": device_facts,
    "error": errors,
    "eager": eager,
    "graph": cuda_graph,
    "compiled": compiled,
    "authors": authors,
    "training": training,
    "compiled_large": compiled_large,
    "backend": backend,
    "onnxruntime": onnx_runtime,
}
"""By name."""


def _every(task: GpuTask, mode: str, prepare: Callable[[Network, Tensor], Network]) -> Iterator[Result]:
    net = timm_network(task.numbers).to(task.device)
    for precision in MEASURED_PRECISIONS[task.device]:
        for batch in task.batches:
            images = task.images(batch)
            run = prepare(network_in(net, precision), images.to(task.device))
            yield timing(
                mode, precision, batch, milliseconds(from_host(run, images, task.device), task.seconds)
            )


def _compiled(task: GpuTask, run: Network, batches: Sequence[int]) -> Iterator[Result]:
    precision = FAST_PRECISION[task.device]
    for batch in batches:
        images = task.images(batch)
        spent = milliseconds(from_host(run, images, task.device), task.seconds)
        yield timing("compiled", precision, batch, spent)
        if task.device == "cuda":
            graph = captured(run, images.to(task.device))
            spent = milliseconds(from_host(graph, images, task.device), task.seconds)
            yield timing(GRAPH_OF_COMPILED, precision, batch, spent)


@cache
def _one_image(task: GpuTask) -> Network:
    """The network compiled for one image, which takes long and serves two parts."""
    _needs_compiler(task)
    net = timm_network(task.numbers).to(task.device)
    return network_in(net, FAST_PRECISION[task.device], compiled=True)


def _needs_compiler(task: GpuTask) -> None:
    if task.device == "cuda" and find_spec("triton") is None:
        raise SelconError("torch.compile needs Triton: pip install triton")


def _needs_gpu(task: GpuTask) -> None:
    if task.device != "cuda":
        raise SelconError("CUDA graphs need an NVIDIA GPU")


def _wait(task: GpuTask) -> None:
    import torch

    if task.device == "cuda":
        torch.cuda.synchronize()
