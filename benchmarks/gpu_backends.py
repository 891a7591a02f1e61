"""What a robot runs on a GPU, on the exported graph: its torch backend, and ONNX Runtime beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.gpu_network import timm_network
from benchmarks.gpu_timing import in_turns, milliseconds, relative_error, timing
from selcon_ros.backends.onnxruntime_graph import CPU_PROVIDER, PROVIDERS, OnnxRuntimeGraph, require_provider
from selcon_ros.core.grounding.preprocess import graph_inputs
from selcon_ros.core.machine.timing import Times

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.gpu_parts import GpuTask, Result
    from selcon_ros.backends.base import Frames
    from selcon_ros.core.grounding.manifest import Manifest

TORCH, ONNX_RUNTIME = "torch backend", "ONNX Runtime"
PROVIDER = {"cuda": PROVIDERS["onnxruntime_cuda"], "cpu": CPU_PROVIDER}
CAMERA_SIZE = (480, 640)
"""Size (H, W) of the camera images."""


def backend(task: GpuTask) -> Iterator[Result]:
    """The robot's own torch backend: the exported graph, from camera images of 640×480 to maps."""
    import torch

    from selcon_ros.backends.onnx_in_torch.program import reference
    from selcon_ros.backends.torch import TorchBackend

    manifest, graphs = _exported(task)
    # Of the network's own size: a graph in float64 resizes ties of pixels otherwise than one in float32.
    side = task.numbers.side
    pictures = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    exact = [reference(graphs["fp32"], graph_inputs(each[None], manifest)) for each in pictures]
    outputs = [
        torch.from_numpy(np.concatenate([each[name] for each in exact])) for name in ("cam", "affinity")
    ]
    for precision, graph in graphs.items():
        engine = TorchBackend(graph, "the graph", manifest, task.device)
        answers = [engine.run(each[None]) for each in pictures]
        maps = [_joined(each) for each in zip(*answers, strict=True)]
        error = relative_error((maps[0], maps[1]), (outputs[0], outputs[1]))
        yield {"mode": TORCH, "precision": precision, "error": error}
        for batch in task.batches:
            spent = milliseconds(partial(engine.run, _frames(batch)), task.seconds)
            yield timing(TORCH, precision, batch, spent)
        engine.close()


def onnx_runtime(task: GpuTask) -> Iterator[Result]:
    """ONNX Runtime's CUDA provider (on a CPU its own) on the same graphs, in turns with the torch backend."""
    from selcon_ros.backends.torch import TorchBackend

    require_provider(PROVIDER[task.device])
    manifest, graphs = _exported(task)
    for precision, graph in graphs.items():
        theirs = OnnxRuntimeGraph(manifest, graph, PROVIDER[task.device], "the graph")
        ours = TorchBackend(graph, "the graph", manifest, task.device)
        for batch in task.batches:
            frames = _frames(batch)
            own, others = in_turns(partial(ours.run, frames), partial(theirs.run, frames), 2 * task.seconds)
            found = timing(ONNX_RUNTIME, precision, batch, others)
            yield found | {"torch_ms": (median := Times.of(own).median), "ratio": median / found["median_ms"]}
        ours.close()
        theirs.close()


@cache
def _exported(task: GpuTask) -> tuple[Manifest, dict[str, bytes]]:
    """The network's manifest, and by precision its graphs that resize by themselves."""
    from selcon_ros.core.grounding.bundle import default_bundle_path, load_with_samples
    from selcon_ros.engines.prepared_graph import Preparation
    from selcon_training.export.bundle import export_bundle

    net = timm_network(task.numbers)
    with tempfile.TemporaryDirectory() as name:
        export_bundle(
            net, Path(name) / "bundle", name="gpu", description="Random weights.", licence="Apache-2.0",
            samples=default_bundle_path() / "samples",
        )  # fmt: skip
        bundle = load_with_samples(Path(name) / "bundle")
    precisions = ("fp32", "fp16") if task.device == "cuda" else ("fp32",)
    return bundle.manifest, {each: Preparation(bundle, each).result.model for each in precisions}


def _frames(batch: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (batch, *CAMERA_SIZE, 3), np.uint8)


def _joined(maps: Sequence[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.concatenate(maps))
