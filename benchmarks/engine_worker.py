"""The process that times one engine: `python -m benchmarks.engine_worker TASK`.

TASK is `subjects.Measurement` as JSON. Of every line of JSON on its standard input it does what that says,
and answers with one: ["time", batch, runs] with the milliseconds of as many runs and by how many bytes the
process's peak memory has grown since it opened nothing; ["maps", PATH] once PATH has the maps of the bundle's
samples.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.subjects import Measurement
from selcon_ros.backends.base import Frames, Maps
from selcon_ros.core.errors import SelconError

CAMERA_SIZE = (480, 640)
"""Size (H, W) of the camera images."""
MATRIX_SIDES = {"cpu": 2048, "cuda": 8192}
"""Side of the matrices of the product that shows what a device can do."""
Run = Callable[[Frames], Any]


def main(task: Measurement) -> None:
    """Serve until the input ends."""
    before = peak_bytes()
    name, run = {"backend": _backend, "torch": _torch, "authors": _authors, "product": _product}[
        task.subject.kind
    ](task)
    _write_answer(name=name)
    rng = np.random.default_rng(0)
    images = {batch: rng.integers(0, 256, (batch, *CAMERA_SIZE, 3), np.uint8) for batch in task.batches}
    for line in sys.stdin:
        what, *given = json.loads(line)
        if what == "time":
            batch, runs = given
            milliseconds = []
            for _ in range(runs):
                start = time.perf_counter()
                run(images[batch])
                milliseconds.append(1e3 * (time.perf_counter() - start))
            _write_answer(milliseconds=milliseconds, bytes=peak_bytes() - before)
        else:
            write_maps(Path(given[0]), sample_maps(run, Path(task.bundle)))
            _write_answer(written=given[0])


def sample_maps(run: Run, bundle: Path) -> list[tuple[Maps, Maps | None]]:
    """Return a subject's cam and affinity [1, C, gh, gw] of each of the bundle's samples."""
    from benchmarks.accuracy import sample_images

    return [run(image[None]) for image in sample_images(bundle)]


def write_maps(path: Path, maps: list[tuple[Maps, Maps | None]]) -> None:
    """Write maps to a .npz file, for `accuracy.read_maps`."""
    named: dict[str, Any] = {
        f"{name}{index}": value
        for index, pair in enumerate(maps)
        for name, value in zip(("cam", "affinity"), pair, strict=True)
        if value is not None
    }
    np.savez(path, **named)


def peak_bytes() -> int:
    """Return the largest memory that this process has had (what `getrusage` says may be its parent's)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return 1024 * int(found[1]) if found else 0


def _backend(task: Measurement) -> tuple[str, Run]:
    from selcon_ros.backends.options import CpuOptions, GpuOptions
    from selcon_ros.model import load

    gpu = GpuOptions(
        build=True,
        cache=Path(task.cache) if task.cache else None,
        batch=task.profile,
        progress=lambda phase, share: _write_answer(phase=phase, share=share),
    )
    model = load(task.bundle, task.subject.backend, task.subject.precision, CpuOptions(task.threads), gpu)
    return model.backend.name, model.backend.run


def _torch(task: Measurement) -> tuple[str, Run]:
    """The network as PyTorch runs it; images are prepared as the CPU's backends do."""
    import torch

    from benchmarks.paper_size import paper_size_network
    from selcon_ros.core.grounding.bundle import load_bundle
    from selcon_ros.core.grounding.preprocess import preprocess

    torch.set_num_threads(task.threads)
    manifest = load_bundle(task.bundle, roles=()).manifest
    network = paper_size_network().to(task.subject.device)

    def run(frames: Frames) -> tuple[Maps, Maps]:
        images = np.concatenate([preprocess(frame, manifest) for frame in frames])
        with torch.inference_mode():
            cam, affinity = network(torch.from_numpy(images).to(task.subject.device))
            return cam.cpu().numpy(), affinity.cpu().numpy()

    return f"torch {torch.__version__} ({task.subject.device}, fp32)", run


def _authors(task: Measurement) -> tuple[str, Run]:
    """Their test's step: images that their loader has prepared, to the maps of one action for each."""
    import torch

    from benchmarks.training_steps import authors_network

    assert task.clone is not None
    torch.set_num_threads(task.threads)
    device = task.subject.device
    network = authors_network(Path(task.clone), device).eval()
    images = torch.randn(max(task.batches), 3, 224, 224)
    labels = torch.arange(max(task.batches)) % 36

    def run(frames: Frames) -> object:
        count = len(frames)
        maps = network.test_forward(images[:count].to(device), labels[:count].to(device))
        return [each.cpu().numpy() for each in maps]

    return f"torch {torch.__version__} ({device}, fp32)", run


def _product(task: Measurement) -> tuple[str, Run]:
    """One product of two large square matrices."""
    precision, device = task.subject.precision, task.subject.device
    side = MATRIX_SIDES[device]
    if device == "cuda":
        return _product_on_gpu(precision, side)
    rng = np.random.default_rng(0)
    if precision == "fp32":
        left, right = (rng.random((side, side), np.float32) for _ in range(2))
        return "numpy", lambda frames: left @ right
    # numpy has no fast product of integers: ONNX Runtime does one as it does those of an int8 graph.
    import onnxruntime
    from onnx import TensorProto, helper

    shape = [side, side]
    kinds = {"left": TensorProto.UINT8, "right": TensorProto.INT8}
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", [*kinds], ["out"])],
        "product",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("out", TensorProto.INT32, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {
        "left": rng.integers(0, 256, shape, np.uint8),
        "right": rng.integers(-64, 64, shape, np.int8),
    }
    return "ONNX Runtime", lambda frames: session.run(None, given)


def _product_on_gpu(precision: str, side: int) -> tuple[str, Run]:
    import torch

    # Engines compute fp32 without TF32.
    torch.set_float32_matmul_precision("highest")
    if precision == "int8":
        left, right = (torch.randint(-64, 64, (side, side), device="cuda").to(torch.int8) for _ in range(2))
        multiply = torch._int_mm
    else:
        kind = {"fp16": torch.float16, "fp32": torch.float32}[precision]
        left, right = (torch.randn(side, side, device="cuda", dtype=kind) for _ in range(2))
        multiply = torch.mm

    def run(frames: Frames) -> None:
        multiply(left, right)
        torch.cuda.synchronize()

    return "torch", run


def _write_answer(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    try:
        main(Measurement.from_json(sys.argv[1]))
    except (SelconError, ImportError) as error:
        sys.exit(str(error))
