"""The measurements on a GPU, on the CPU path with a tiny network: all of it runs, nothing is lost."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")

import torch

from benchmarks.gpu import PART_SECONDS, PREPARED_BY, START_SECONDS, GpuResults, cost, measure, plan
from benchmarks.gpu_network import SIZES, count_operations, in_precision, timm_network
from benchmarks.gpu_parts import PARTS, GpuTask
from benchmarks.gpu_report import gpu_rows, write
from benchmarks.gpu_timing import network_in, relative_error
from benchmarks.gpu_training import OPTIMISER, SCHEDULE, WEAK_OBJECTIVE
from selcon_ros.core.errors import NotInstalledError

ROOT = Path(__file__).parents[2]
TASK = GpuTask("cpu", "tiny", (1, 4), 0.01, None)
# What the machine with the GPU may lack: everything but torch, timm, onnx, onnxruntime and a robot's base.
ABSENT = ("open_clip", "pydantic", "rclpy", "tensorrt", "tensorrt_rtx", "pycuda", "tensorboard", "accelerate")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment without those libraries."""
    folder = tmp_path / "absent"
    for name in ABSENT:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise ModuleNotFoundError('absent', name={name!r})\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), str(ROOT / "training")])}


def test_all_of_it_runs_with_few_libraries(bare: dict[str, str], tmp_path: Path) -> None:
    parts = [each for each in PART_SECONDS if not each.startswith("compiled")]  # compilers take a minute
    command = [sys.executable, "-m", "benchmarks", "gpu", "--device", "cpu", "--size", "tiny"]
    words = [word for part in parts for word in ("--part", part)]
    done = subprocess.run(
        [*command, *words, "--minutes", "20", "--out", str(tmp_path / "out")],
        env=bare, capture_output=True, text=True, timeout=900, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert data["missing"] == {
        "graph": "CUDA graphs need an NVIDIA GPU",
        "authors": "give a clone of their repository: --authors",
    }
    device, *peaks = data["results"]["device"]
    assert device["operations"] > 1e5 and {each["precision"] for each in peaks} == {"fp32", "bf16"}
    error = {each["precision"]: each["error"] for each in data["results"]["error"]}
    assert error["fp32"] < 1e-5 < error["bf16"] < 0.1
    ways = {(each["precision"], each["batch"]) for each in data["results"]["eager"]}
    assert ways == {("fp32", 1), ("fp32", 4), ("bf16", 1), ("bf16", 4)}
    own, *timed = data["results"]["backend"]
    assert own["error"] < 1e-5 and {each["batch"] for each in timed} == {1, 4}
    beside = data["results"]["onnxruntime"]
    assert {each["batch"]: each["mode"] for each in beside} == {1: "ONNX Runtime", 4: "ONNX Runtime"}
    assert beside[0]["ratio"] == pytest.approx(beside[0]["torch_ms"] / beside[0]["median_ms"])
    (step,) = data["results"]["training"]
    assert step["seen_minutes"] == pytest.approx(step["step_ms"] * 37620 / 60000)
    page = (tmp_path / "out" / "gpu.md").read_text()
    assert page == done.stdout.removesuffix("\n") + "\n" or page in done.stdout
    assert (
        "≥ 8000 images/s" in page and "| eager | bf16 | 4 |" in page and "Not measured (CUDA graphs" in page
    )
    assert (tmp_path / "out" / "gpu.png").exists() is (find_spec("matplotlib") is not None)


def test_the_network_is_the_papers_in_size() -> None:
    net = timm_network(SIZES["paper"])
    assert (net.input_size, net.grid, len(net.actions), net.text_action.shape) == (
        (224, 224), (14, 14), 36, (36, 512)
    )  # fmt: skip
    counts = {name: sum(each.numel() for each in part.parameters()) for name, part in net.named_children()}
    assert 80e6 < counts["clip"] < 82e6 and 20e6 < counts["dino"] < 21e6
    # As many as the network of open_clip's encoders has.
    assert 40e9 < count_operations(net, torch.randn(1, 3, 224, 224)) < 42e9


def test_a_network_in_another_precision_computes_in_it() -> None:
    net = timm_network(SIZES["tiny"])
    images = TASK.images(2)
    with torch.inference_mode():
        exact = in_precision(net, torch.float64)(images.double())
        assert {each.dtype for each in exact} == {torch.float64}
        assert relative_error(net(images), exact) < 1e-5
    assert 1e-4 < relative_error(network_in(net, "bf16")(images), exact) < 0.1
    assert {each.dtype for each in network_in(net, "fp16")(images)} == {torch.float32}
    assert relative_error((exact[0] * float("nan"), exact[1]), exact) != 0


def test_the_training_step_is_the_trainers() -> None:
    config = pytest.importorskip("selcon_training.config", reason="needs pydantic")
    default = config.parse_config({"name": "x", "output": "x", "data": {"root": "x", "actions": "seen"}})
    for given, section in (
        (WEAK_OBJECTIVE, default.weak),
        (OPTIMISER, default.optimiser),
        (SCHEDULE, default.schedule),
    ):
        assert given == {name: getattr(section, name) for name in type(section).model_fields}


@pytest.mark.parametrize("seconds", [0, 20, 60, 100, 200, 330, 1000])
def test_the_largest_parts_are_left_out_first(seconds: float) -> None:
    kept, left_out = plan(PART_SECONDS, seconds)
    assert sorted([*kept, *left_out]) == sorted(PART_SECONDS) and kept == [
        each for each in PART_SECONDS if each in kept
    ]
    assert not kept or START_SECONDS + cost(kept) <= seconds
    assert all(cost([name]) == PART_SECONDS[name] + more for name, (_, more) in PREPARED_BY.items())
    assert (
        not left_out
        or not kept
        or min(PART_SECONDS[each] for each in left_out) >= max(PART_SECONDS[each] for each in kept)
    )


def test_all_parts_fit_into_less_than_six_minutes() -> None:
    assert plan(PART_SECONDS, 60 * 5.5) == (list(PART_SECONDS), []) and set(PART_SECONDS) == set(PARTS)


WORKER = """
import json, os, sys, time
say = lambda **answer: print(json.dumps(answer), flush=True)
for line in sys.stdin:
    part = line.strip()
    if part == "device":
        say(result={"device": "made up", "operations": 1})
    if part == "eager":
        say(result={"mode": "eager", "precision": "fp32", "batch": 1, "median_ms": 1.0, "p95_ms": 1.0,
                    "runs": 5, "images_per_second": 1000.0})
        print("CUDA error: an illegal memory access", file=sys.stderr)
        os._exit(9)
    if part == "training":
        time.sleep(3600)
    say(end="no such thing here" if part == "graph" else "")
"""


def test_a_crash_and_a_part_without_end_cost_themselves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device may hang or fail at any moment: the process that measures is made up, all else is real."""

    def start(module: str, arguments: list[str], threads: int, on_gpu: bool, log: Path):
        return subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log.open("w"), text=True,
        )  # fmt: skip

    monkeypatch.setattr("benchmarks.worker.start", start)
    found, seen = GpuResults(), []

    def save() -> None:
        write(tmp_path, TASK, found)
        seen.append(json.loads((tmp_path / "gpu.json").read_text()))

    parts = ["device", "eager", "graph", "error", "training", "backend"]
    measure(TASK, parts, time.monotonic() + 20, found, save)
    assert found.missing == {
        "eager": "CUDA error: an illegal memory access",
        "graph": "no such thing here",
        "training": "stopped when the time of --minutes was over",
        "backend": "the time of --minutes was over",
    }
    last = seen[-1]
    assert last["results"]["eager"][0]["images_per_second"] == 1000 and last["missing"] == found.missing
    assert "error" in last["seconds"] and "| eager | fp32 | 1 | 1 |" in (tmp_path / "gpu.md").read_text()


LOCATE = """
import torch
print("what a library prints")
class Net(torch.nn.Module):
    def __init__(self, aff_classes, args):
        super().__init__()
        create_model(), load_pretrained_weights()
        self.layer = torch.nn.Conv2d(3, aff_classes, 16, 16).cuda()
    def test_forward(self, images, labels):
        return self.layer(images)[:, labels]
    def forward(self, exo, ego, labels, epoch):
        scores = self.layer(exo.flatten(0, 1)).mean((2, 3)), self.layer(ego).mean((2, 3))
        return [None, *(each.square().mean() for each in scores)]
"""


@pytest.mark.long
def test_the_authors_code_is_timed_in_turns(bare: dict[str, str], tmp_path: Path) -> None:
    """What stands for it here has its names alone; it prints, as libraries do."""
    files = {
        "models/__init__.py": "",
        "models/locate.py": LOCATE,
        "models/open_clip.py": "def create_model(*given, **named): print('made')",
        "utils/__init__.py": "",
        "utils/util.py": "import torch\n"
        "def get_optimizer(net, args): return [torch.optim.SGD(net.parameters(), lr=args.lr)]",
    }
    for name, text in files.items():
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).write_text(text)
    command = [sys.executable, "-m", "benchmarks", "gpu", "--device", "cpu", "--size", "tiny"]
    words = ["--part", "authors", "--part", "training", "--authors", str(tmp_path / "clone")]
    done = subprocess.run(
        [*command, *words, "--minutes", "20", "--out", str(tmp_path / "out")],
        env=bare, capture_output=True, text=True, timeout=900, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert data["missing"] == {}, done.stderr
    (turns,) = data["results"]["authors"]
    assert turns["ratio"] == pytest.approx(turns["theirs_ms"] / turns["ours_ms"])
    assert [each["who"] for each in data["results"]["training"]] == ["ours", "the authors' code"]


def test_aims_are_held_against_an_h200_alone(tmp_path: Path) -> None:
    found = GpuResults(
        {
            "device": [{"device": "NVIDIA H200", "operations": 43_000_000_000}],
            "eager": [
                {
                    "mode": "eager", "precision": "fp16", "batch": 1, "median_ms": 1.1, "p95_ms": 1.2,
                    "runs": 5, "images_per_second": 909.0,
                }
            ],
            "authors": [{"ratio": 12.0, "ours_ms": 1.0, "theirs_ms": 12.0, "mode": "eager"}],
            "training": [{"who": "ours", "step_ms": 10.0, "seen_minutes": 6.27}],
        }
    )  # fmt: skip
    paper = SimpleNamespace(size="paper")
    found_rows = gpu_rows(paper, found)
    assert [each.met for each in found_rows] == [True, False, False, True, None]
    assert "ONNX Runtime" in found_rows[-1].what and found_rows[-1].detail == "nothing was timed"
    found.missing["onnxruntime"] = "no CUDA provider"
    assert gpu_rows(paper, found)[-1].detail == "no CUDA provider"
    timed = {"mode": "ONNX Runtime", "precision": "fp16", "median_ms": 2.0, "images_per_second": 500.0}
    found.results["onnxruntime"] = [
        {**timed, "batch": 1, "torch_ms": 1.0, "ratio": 0.5},
        {**timed, "batch": 4, "torch_ms": 3.0, "ratio": 1.5},
    ]
    assert (gpu_rows(paper, found)[-1].value, gpu_rows(paper, found)[-1].met) == (0.5, True)
    assert all(each.what.startswith("H200: ") for each in found_rows)
    assert "aims are for an H200" in gpu_rows(SimpleNamespace(size="tiny"), found)[0].what


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU: torch sees none")
@pytest.mark.parametrize("part", [name for name in PARTS if name != "authors"])
def test_on_a_gpu(part: str) -> None:
    assert list(PARTS[part](GpuTask("cuda", "tiny", (1, 4), 0.01, None)))


def test_a_provider_that_is_not_installed_is_named() -> None:
    from onnxruntime import get_available_providers

    if "CUDAExecutionProvider" in get_available_providers():
        pytest.skip("ONNX Runtime has its CUDA provider here: shown only where it is missing")
    with pytest.raises(NotInstalledError, match="no CUDAExecutionProvider .* install onnxruntime-gpu"):
        next(PARTS["onnxruntime"](GpuTask("cuda", "tiny", (1,), 0.01, None)))


@pytest.mark.long
@pytest.mark.skipif(which("g++") is None, reason="no C++ compiler, which torch.compile needs: g++")
def test_compiled_on_a_cpu() -> None:
    (result,) = PARTS["compiled"](TASK)
    assert result["mode"] == "compiled" and result["batch"] == 1
    larger = list(PARTS["compiled_large"](GpuTask("cpu", "tiny", (1, 4, 16, 64), 0.01, None)))
    assert [(each["mode"], each["batch"]) for each in larger] == [("compiled", each) for each in (64, 16, 4)]
