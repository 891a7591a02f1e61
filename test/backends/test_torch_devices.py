"""The torch backend on CUDA, and devices that there are not."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.torch import TorchBackend
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from support.bundles import colour_bundle
from support.onnx_graphs import pictures, relative, taking_frames, to_fp16

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")


@pytest.fixture
def colours(tmp_path: Path) -> Bundle:
    return load_bundle(colour_bundle(tmp_path / "colours"))


@pytest.mark.parametrize("device", ["tpu", "cuda:7"])
def test_unknown_devices(colours: Bundle, device: str) -> None:
    with pytest.raises(BackendError, match=f"unknown device '{device}': choose cuda or cpu"):
        TorchBackend(colours.model, "it", colours.manifest, device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none(colours: Bundle) -> None:
    with pytest.raises(BackendError, match="built without CUDA: install|no CUDA device: check"):
        TorchBackend(colours.model, "it", colours.manifest, "cuda")


@needs_cuda
@pytest.mark.parametrize("half", [False, True])
def test_cuda_gives_what_the_cpu_gives(vit: Path, half: bool) -> None:
    bundle = load_bundle(vit)
    graph = taking_frames(bundle.model, bundle.manifest, 1)
    model = to_fp16(graph) if half else graph.SerializeToString()
    on_cpu, on_cuda = (TorchBackend(model, "it", bundle.manifest, device) for device in ("cpu", "cuda"))
    for size in ((480, 640), (200, 300), (480, 640)):
        frames = pictures(2, size)
        # Single precision is not TF32, which is a thousand times farther off.
        assert relative(on_cuda.run(frames)[0], on_cpu.run(frames)[0]) < (2e-2 if half else 2e-5)


@needs_cuda
def test_cuda_takes_no_memory_in_a_run(colours: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    model = taking_frames(colours.model, colours.manifest, "N").SerializeToString()
    backend = TorchBackend(model, "it", colours.manifest, "cuda")
    backend.run(pictures(2))
    taken = torch.cuda.memory_stats()["allocation.all.allocated"]
    maps = [backend.run(pictures(2, seed=seed))[0] for seed in range(5)]
    assert torch.cuda.memory_stats()["allocation.all.allocated"] == taken
    assert not np.array_equal(maps[0], maps[1])
    assert not caplog.records  # it was captured


@needs_cuda
def test_a_graph_that_cannot_be_captured_is_run_plainly(
    colours: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = open_on_cpu(colours).run(pictures(1))[0]

    def waits(node: object, arguments: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        torch.cuda.current_stream().synchronize()
        return outputs(node, arguments)

    from selcon_ros.backends.onnx_in_torch import program

    outputs = program._outputs
    monkeypatch.setattr(program, "_outputs", waits)
    backend = TorchBackend(colours.model, "it", colours.manifest, "cuda")
    assert relative(backend.run(pictures(1))[0], wanted) < 2e-5
    assert ["captures no CUDA graph" in each.message for each in caplog.records] == [True]


@needs_cuda
def test_a_lack_of_gpu_memory_is_said(colours: Bundle) -> None:
    model = taking_frames(colours.model, colours.manifest, "N").SerializeToString()
    backend = TorchBackend(model, "it", colours.manifest, "cuda")
    torch.cuda.set_per_process_memory_fraction(0.001)
    try:
        with pytest.raises(BackendError, match=r"no GPU memory, [\d.]+ of [\d.]+ GiB are free: give fewer"):
            backend.run(pictures(512))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    backend.run(pictures(1))
