"""Several processes and one engine: one builds, the others wait for it; one that is killed leaves nothing."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.core.grounding.bundle import load_with_samples
from selcon_ros.engines.cache import Cache
from selcon_ros.engines.repository import BATCH_RANGE, EngineSpec, _key, find
from support.engines import bundle_of, colours

pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX: pip install tensorrt-rtx-cu13")
SPEC = EngineSpec(LIBRARIES["tensorrt_rtx"], compute=("8.6",))
BUILD = """
import os, signal, sys
from pathlib import Path
from selcon_ros.core.grounding.bundle import load_with_samples
from selcon_ros.engines.repository import Cache, EngineSpec, LIBRARIES, build
def progress(phase, share):
    print("phase", phase, flush=True)
    if phase == sys.argv[3]:
        sys.stdin.readline()
def tell(text):
    print("told", text, flush=True)
spec = EngineSpec(LIBRARIES["tensorrt_rtx"], compute=("8.6",))
entry = build(load_with_samples(Path(sys.argv[1])), spec, Cache(Path(sys.argv[2])), progress, tell)
print("engine", entry.record.sha256, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle_of(colours(), tmp_path / "tiny")
    return tmp_path


def builder(folder: Path, waits_in: str = "") -> "subprocess.Popen[str]":
    """A process that builds the engine, and waits for a line of its input in a phase."""
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(folder / "tiny"), str(folder / "engines"), waits_in],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def until(process: "subprocess.Popen[str]", begin: str) -> str:
    """Read what a process prints until a line begins so; it is ended if that takes too long."""
    assert process.stdout is not None
    patience = threading.Timer(120, process.kill)
    patience.start()
    try:
        found = next((line.strip() for line in process.stdout if line.startswith(begin)), None)
    finally:
        patience.cancel()
    assert found is not None, f"no line begins with {begin!r}"
    return found


def test_one_builds_and_the_other_takes_what_it_built(folder: Path) -> None:
    first = builder(folder, "converting the graph")
    until(first, "phase converting")
    second = builder(folder)
    until(second, "phase waiting for another process, which builds this engine")
    assert Cache(folder / "engines").building()
    output, _ = first.communicate("go on\n", timeout=120)
    others, _ = second.communicate(timeout=120)
    (built,) = (line for line in output.splitlines() if line.startswith("engine"))
    # No phase of a build: it built nothing.
    assert [line for line in others.splitlines() if not line.startswith("phase waiting")] == [built]
    assert len(Cache(folder / "engines").entries()) == 1


@pytest.mark.parametrize("phase", ["converting the graph", "Building engine"])
def test_a_killed_build_leaves_nothing_that_counts(folder: Path, phase: str) -> None:
    process = builder(folder, phase)
    until(process, f"phase {phase}")
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    cache, bundle = Cache(folder / "engines"), load_with_samples(folder / "tiny")
    assert cache.entries() == [] and find(bundle, SPEC, cache) is None
    with cache.lock(_key(bundle, SPEC, BATCH_RANGE), lambda: pytest.fail("the lock is still held")):
        assert cache.damaged() == []
