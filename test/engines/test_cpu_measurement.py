"""Both engines of a CPU are measured in another process, and what that costs the one that runs the model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError, Cancelled
from selcon_ros.core.grounding.bundle import Bundle, load_bundle, write_bundle
from selcon_ros.engines import cpu_measurement
from selcon_ros.engines.cpu_candidates import CpuCandidate
from selcon_ros.engines.cpu_choice import Opened, open_fastest
from selcon_ros.engines.cpu_measurement import Measurement, measure_apart
from support.bundles import colour_bundle
from support.choices import kept, times_of, with_a_choice
from support.openvino import needs_openvino
from support.processes import has_ended

ONE = CpuOptions(threads=1)
BOTH = ("onnxruntime", "openvino")
BOTH_FP32 = [CpuCandidate(each, "fp32") for each in BOTH]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return with_a_choice(tmp_path / "colours")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "engines"


@pytest.fixture
def fake_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Let this code be what other processes import as openvino; returns the file named there as FILE."""

    def make(code: str) -> Path:
        folder, file = tmp_path / "modules", tmp_path / "number"
        folder.mkdir()
        (folder / "openvino.py").write_text(f"import os, time\nFILE = {str(file)!r}\n{code}\n")
        monkeypatch.syspath_prepend(str(folder))
        return file

    return make


def choose(bundle: Path, cache: Path, options: CpuOptions = ONE) -> Opened:
    return open_fastest(bundle, options, cache, BOTH)


SCRIPT = """
import json, sys
from pathlib import Path
from selcon_ros.backends.options import CpuOptions
from selcon_ros.engines import cpu_timing
from selcon_ros.engines.cpu_choice import open_fastest
cpu_timing.MIN_OPENVINO_SPEEDUP = float(sys.argv[3])
opened = open_fastest(Path(sys.argv[1]), CpuOptions(1), Path(sys.argv[2]), ("onnxruntime", "openvino"))
mapped = "openvino" in Path("/proc/self/maps").read_text()
choice = opened.choice
loaded = "openvino" in sys.modules
print(json.dumps([choice.backend, sorted(choice.times.shares), loaded, mapped, choice.why]))
"""


@needs_openvino
@pytest.mark.parametrize(("speedup", "chosen"), [(1e9, "onnxruntime"), (1e-9, "openvino")])
def test_openvino_is_loaded_only_where_it_is_chosen(
    bundle: Path, cache: Path, speedup: float, chosen: str
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(bundle), str(cache), str(speedup)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for when in ("measured now; kept in", "UTC, kept in"):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        backend, timed, imported, mapped, why = json.loads(done.stdout.splitlines()[-1])
        assert {"fp32", "int8", "openvino fp32", "openvino int8"} <= set(timed) and when in why
        assert (backend, imported, mapped) == (chosen, chosen == "openvino", chosen == "openvino")
    assert kept(cache).is_file()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.abort()", "its trial ends the process with SIGABRT: "),
        ("os._exit(0)", "its trial fails: it ended without a result"),
        ("raise RuntimeError('a bad day')", "its trial fails: RuntimeError: a bad day"),
        ("time.sleep(600)", "its trial did not answer within 3 s"),
    ],
)
def test_one_that_ends_its_process_is_no_candidate_and_told(
    bundle: Path,
    cache: Path,
    fake_openvino: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    said: str,
) -> None:
    fake_openvino(code)
    if "sleep" in code:
        monkeypatch.setattr(cpu_measurement, "TRIAL_SECONDS", 3.0)
    choice = choose(bundle, cache).choice
    assert choice.backend == "onnxruntime" and choice.times is not None
    assert choice.times.shares.keys() == {"fp32", "int8"}
    (failure,) = choice.failures
    assert failure.startswith(f"openvino: {said}")
    assert f"without openvino: {said}" in choice.why and "so that the next start measures" in choice.why
    assert not cache.exists()


def test_one_that_cannot_be_imported_is_told_as_ever(
    bundle: Path, cache: Path, fake_openvino: Callable[[str], Path]
) -> None:
    fake_openvino("raise ImportError('libtbb.so.12: no such file')")
    choice = choose(bundle, cache).choice
    assert choice.backend == "onnxruntime"
    (failure,) = choice.failures
    assert failure.startswith("openvino fp32: OpenVINO is not usable (libtbb.so.12: no such file)")


def test_a_node_that_ends_meanwhile_leaves_no_process(
    bundle: Path, cache: Path, fake_openvino: Callable[[str], Path]
) -> None:
    file = fake_openvino("open(FILE, 'w').write(str(os.getpid())); time.sleep(600)")

    def check() -> None:
        if file.is_file() and file.read_text():
            raise Cancelled("the node is closing")

    with pytest.raises(Cancelled):
        choose(bundle, cache, CpuOptions(1, check=check))
    assert has_ended(int(file.read_text()), 0)


def test_the_other_process_measures_the_same_as_this_one_would(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the same options, of the same files; and all that it found comes back."""
    cores = (min(os.sched_getaffinity(0)),)
    options, out = CpuOptions(1, cores, spinning=True), {"openvino bf16": "no “bf16”\nhere"}
    found = Measurement(times_of(fp32=1.0, openvino_fp32=0.5), "", {"int8": "slow"}, ("one",), True)
    asked: list[tuple[object, ...]] = []

    def measure_all(loaded: Bundle, *given: object) -> Measurement:
        asked.append((loaded.files.keys(), *given))
        return found

    def in_this_process(code: str, seconds: float, check: object) -> tuple[list[str], str]:
        exec(code)
        return capsys.readouterr().out.splitlines(), ""

    monkeypatch.setattr(cpu_measurement, "measure_all", measure_all)
    monkeypatch.setattr(cpu_measurement, "try_python", in_this_process)
    loaded = load_bundle(bundle, roles=("model", "sample.1"))
    assert measure_apart(bundle, loaded, BOTH_FP32, options, out) == found
    assert asked == [({"model", "sample.1"}, BOTH_FP32, options, out)]


@needs_openvino
def test_where_no_graph_runs_that_is_raised_as_in_this_process(
    bundle: Path, cache: Path, tmp_path: Path
) -> None:
    loaded, other = load_bundle(bundle), load_bundle(colour_bundle(tmp_path / "other", (32, 32))).model
    write_bundle(bundle, loaded.manifest, loaded.files | {"model": other, "model.int8": other})
    with pytest.raises(BackendError, match="^model.* the manifest says"):
        choose(bundle, cache)
