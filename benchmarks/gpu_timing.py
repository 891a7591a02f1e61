"""How the network is run on a device, eagerly, compiled or as a CUDA graph, and how long that takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.gpu_network import in_precision
from selcon_ros.core.machine.timing import Times

if TYPE_CHECKING:
    from torch import Tensor

    from selcon_training.models.selcon_net import SelconNet

Maps = tuple["Tensor", "Tensor"]
Network = Callable[["Tensor"], Maps]
WARM_UP_RUNS = 3
MIN_RUNS = 5
"""Runs that are timed at least."""


def type_of(precision: str) -> Any:
    """Return torch's type of a precision: fp32, tf32, fp16 or bf16."""
    import torch

    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)


def allow_tf32(precision: str) -> None:
    """Let products and convolutions of fp32 use TF32, or not."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def as_torch_has_it() -> None:
    """Let convolutions of fp32 use TF32, and products not: torch's default, for code that sets nothing."""
    import torch

    allow_tf32("fp32")
    torch.backends.cudnn.allow_tf32 = True


def network_in(net: SelconNet, precision: str, compiled: bool = False, any_batch: bool = False) -> Network:
    """Return a function of images [N, 3, h, w] float32 on the device, to cam and affinity float32.

    compiled: by torch.compile, at its first run. any_batch: it then takes other N, as far as torch can.
    """
    import torch

    allow_tf32(precision)
    dtype = type_of(precision)
    made: Network = in_precision(net, dtype)
    if compiled:
        made = torch.compile(made, dynamic=None if any_batch else False)

    def run(images: Tensor) -> Maps:
        with torch.inference_mode():
            given = images.to(dtype)
            if any_batch:
                torch._dynamo.maybe_mark_dynamic(given, 0)
            cam, affinity = made(given)
            return cam.float(), affinity.float()

    return run


def captured(run: Network, images: Tensor) -> Network:
    """Return the function as one CUDA graph for images of this shape; its maps are overwritten each time."""
    import torch

    given = images.clone()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_RUNS):
            run(given)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        maps = run(given)

    def replay(images: Tensor) -> Maps:
        given.copy_(images, non_blocking=True)
        graph.replay()
        return maps

    return replay


def from_host(run: Network, images: Tensor, device: str) -> Callable[[], Maps]:
    """Return a run from images in the process's memory (page-locked for a GPU) to maps there."""
    import torch

    host = images.pin_memory() if device == "cuda" else images

    def whole() -> Maps:
        with torch.inference_mode():
            cam, affinity = run(host.to(device, non_blocking=True))
            return cam.cpu(), affinity.cpu()  # waits for the device

    return whole


def milliseconds(run: Callable[[], object], seconds: float) -> list[float]:
    """Time a run that waits for its device, for some seconds, but MIN_RUNS times, after the warm-up."""
    for _ in range(WARM_UP_RUNS):
        run()
    spent: list[float] = []
    begin = time.perf_counter()
    while len(spent) < MIN_RUNS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        spent.append(1e3 * (time.perf_counter() - start))
    return spent


def in_turns(one: Callable[[], object], other: Callable[[], object], seconds: float) -> list[list[float]]:
    """Time two such runs in turns, so that a slower moment hits both."""
    spent: list[list[float]] = [[], []]
    for _ in range(WARM_UP_RUNS):
        for place, run in enumerate((one, other)):
            spent[place] += milliseconds(run, seconds / (2 * WARM_UP_RUNS))
    return spent


def timing(mode: str, precision: str, batch: int, spent: list[float]) -> dict[str, Any]:
    """Return the result of a way to run so many images at once, of its times in milliseconds."""
    times = Times.of(spent)
    return {
        "mode": mode, "precision": precision, "batch": batch, "median_ms": times.median, "p95_ms": times.p95,
        "runs": times.count, "images_per_second": 1e3 * batch / times.median,
    }  # fmt: skip


def relative_error(maps: Maps, exact: Maps) -> float:
    """Return the root mean square error of the maps, relative to their own, of the output where it is
    larger."""
    errors = []
    for one, other in zip(maps, exact, strict=True):
        given, right = one.double().cpu(), other.double().cpu()
        errors.append(float((given - right).norm() / right.norm().clamp_min(1e-300)))
    worst = max(errors)
    return worst if not any(map(math.isnan, errors)) else math.nan
