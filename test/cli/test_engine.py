"""`selcon engine` as a user calls it, on a machine without a GPU."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner, Result

from selcon_ros.backends.cuda import has_gpu
from selcon_ros.backends.tensorrt_library import LIBRARIES
from selcon_ros.cli.main import main
from selcon_ros.engines.cache import Cache
from support.engines import AGREEMENT, KEY, RECORD, bundle_of, colours, picture
from support.processes import runner

pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX: pip install tensorrt-rtx-cu13")
pytestmark = pytest.mark.skipif(has_gpu(), reason="what is said where there is no NVIDIA GPU")
RTX = ("--kind", "tensorrt_rtx")
TARGETS = ("--target", "8.6", "--target", "12.0")


def selcon(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["engine", *map(str, words)], input=text)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder with the bundle "tiny" and its engine in "engines", and what building it printed."""
    folder = tmp_path_factory.mktemp("engine")
    bundle_of(colours(), folder / "tiny")
    return folder, selcon("build", folder / "tiny", *RTX, *TARGETS, "--cache", folder / "engines")


@pytest.fixture
def folder(built: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(built[0], tmp_path / "copy"))


def test_build_says_what_it_did_and_what_it_did_not(built: tuple[Path, Result]) -> None:
    folder, result = built
    assert result.exit_code == 0, result.output
    for said in (
        "converted graph, fp16 in ONNX Runtime, from fp32: heatmaps: KLD 0.0",
        "tiny: tensorrt_rtx ", "fp16, for GPUs of 8.6, 12.0 (any)", "batches of 1:1:4 images",
        "camera images up to 1080×1920", "layers that compute: 13 in half, 6 in float", "MiB: ",
        "not run here: ", f"`selcon engine verify {folder / 'tiny'}` runs it",
    ):  # fmt: skip
        assert said in result.output, said


def test_what_is_there_is_not_built_again_but_when_asked(folder: Path) -> None:
    words = ("build", folder / "tiny", *RTX, *TARGETS, "--cache", folder / "engines")
    assert "already there, built 20" in selcon(*words).output
    assert json.loads(selcon(*words, "--json").stdout)["built"] is False
    again = runner().invoke(main, ["engine", *map(str, words), "--again", "--json"])
    result = json.loads(again.stdout)
    assert result["built"] is True and result["layers"] == {"half": 13, "float": 6}
    assert result["agreement"] is None and "driver" in result["not_run"]
    assert result["agreement_of_graph"]["kld_mean"] < 0.01 and Path(result["path"]).is_file()
    assert "from fp32" in again.stderr
    assert len(Cache(folder / "engines").entries()) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (RTX, 1, "give --target with its compute capability, as in --target 8.6"),
        (("--kind", "tensorrt"), 1, "give --kind tensorrt_rtx and --target"),
        (("--kind", "tensorrt", "--target", "8.6"), 2, "--target is for --kind tensorrt_rtx: "),
        ((*RTX, "--target", "9.0"), 1, "cannot build ahead for GPUs of 9.0: it can for 8.0, 8.6, 8.9, 12.0"),
        ((*RTX, "--target", "7.5"), 1, "GPUs of 7.5: it can for 8.0"),  # it knows them, but not our graphs
        ((*RTX, "--batch", "1:4"), 2, "'1:4' must be least:best:most"),
        ((*RTX, "--batch", "2:1:4"), 2, "'2:1:4' must be least:best:most"),
        ((*RTX, "--camera", "1080"), 2, "'1080' must be height and width in pixels"),
        ((*RTX, "--camera", "0,9"), 2, "'0,9' must be height and width in pixels"),
        ((*RTX, "--target", "8.6", "--pictures", "/nowhere"), 1, "/nowhere holds no pictures"),
        ((*RTX, "--target", "8.6", "--tolerance", "1e-12", "--again"), 1, "Layers to blame: "),
    ],
)
def test_what_cannot_be_built_is_one_message(
    folder: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    result = selcon("build", folder / "tiny", *words, "--cache", folder / "engines")
    assert result.exit_code == code and message in result.output, result.output
    assert len(Cache(folder / "engines").entries()) == 1


def test_a_bundle_without_samples_takes_pictures(tmp_path: Path) -> None:
    bundle_of(colours(1), tmp_path / "old", samples=0)
    words = ("build", tmp_path / "old", *RTX, "--target", "8.6", "--cache", tmp_path / "engines")
    refused = selcon(*words)
    assert refused.exit_code == 1 and "no sample pictures to compare on: give --pictures" in refused.output
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "1.png"), picture()[:, :, ::-1])
    result = selcon(*words, "--pictures", tmp_path / "photos")
    assert result.exit_code == 0 and "batches of 1:1:1 images" in result.output


def test_list_shows_engines_and_what_is_damaged(folder: Path) -> None:
    engines = folder / "engines"
    cache = Cache(engines)
    (entry,) = cache.entries()
    cache.update(replace(entry, record=replace(entry.record, agreement=AGREEMENT | {"kld_mean": 0.00123})))
    shown = selcon("list", "--cache", engines).output
    for said in ("tiny", "tensorrt_rtx", "fp16", "8.6, 12.0 (any)", "1:1:4", "0.00123", entry.path.name):
        assert said in shown, said
    assert "damaged" not in shown
    entry.path.write_bytes(b"cut")
    (engines / "x.part").touch()
    shown = selcon("list", "--cache", engines).output
    assert "was changed or cut short" in shown and "x.part: not whole" in shown
    assert "`selcon engine clean` removes what is damaged" in shown
    listed = json.loads(selcon("list", "--cache", engines, "--json").output)
    assert [each["bundle"] for each in listed["engines"]] == ["tiny"] and len(listed["damaged"]) == 2
    assert "no engines in" in selcon("list", "--cache", folder / "none").output
    shutil.copytree(engines, folder / "a[" / "b]")
    assert "/a[/b]" in selcon("list", "--cache", folder / "a[" / "b]").output


def test_verify_says_why_it_could_not(folder: Path) -> None:
    engines = folder / "engines"
    cache = Cache(engines)
    (entry,) = cache.entries()
    other = replace(entry.record, key=replace(entry.record.key, version="0.1", precision="fp32"))
    old = cache.add(other, b"old")
    cut = cache.add(replace(other, key=replace(other.key, version="0.2")), b"whole")
    cut.path.write_bytes(b"cut")
    cache.add(RECORD, b"of another bundle")
    (engines / "tiny-tensorrt-lost.engine").touch()
    result = selcon("verify", folder / "tiny", "--cache", engines, "--json")
    reasons = {Path(each["path"]).name: each["reason"] for each in json.loads(result.output)}
    assert result.exit_code == 1 and len(reasons) == 4
    assert "driver" in reasons[entry.path.name] or "pycuda" in reasons[entry.path.name]
    assert "was built by TensorRT for RTX 0.1, installed is" in reasons[old.path.name]
    assert "was changed or cut short" in reasons[cut.path.name]
    assert "without its record" in reasons["tiny-tensorrt-lost.engine"]


def test_verify_takes_what_is_selected(folder: Path) -> None:
    engines = folder / "engines"
    for words, there in (
        (("--precision", "fp16", "--target", "8.6", "--batch", "1:1:4", "--camera", "1080,1920"), True),
        (("--precision", "fp32"), False), (("--target", "8.9"), False), (("--kind", "tensorrt"), False),
    ):  # fmt: skip
        result = selcon("verify", folder / "tiny", "--cache", engines, *words)
        assert result.exit_code == 1
        assert ("not verified: " in result.output) is there, result.output
        assert ("no such engine of bundle" in result.output) is not there


def test_clean_removes_what_is_damaged_and_no_more(folder: Path) -> None:
    engines = folder / "engines"
    cache = Cache(engines)
    assert "nothing to remove" in selcon("clean", "--cache", engines).output
    cut = cache.add(RECORD, b"whole")
    cut.path.write_bytes(b"cut")
    (engines / "x.part").touch()
    refused = selcon("clean", "--cache", engines, text="n\n")
    assert refused.exit_code == 1 and "remove 3 files" in refused.output and cut.path.exists()
    assert "removed 3 files" in selcon("clean", "--cache", engines, text="y\n").output
    assert [entry.record.bundle for entry in cache.entries()] == ["tiny"] and cache.damaged() == []


def test_clean_removes_what_is_stale_or_all(folder: Path) -> None:
    engines = folder / "engines"
    cache = Cache(engines)
    stale = [replace(KEY, version="0.1", graph=cache.entries()[0].record.key.graph), replace(KEY, graph=-1)]
    for key in stale:
        cache.add(replace(RECORD, key=key), b"x")
    cache.write("tensorrt_rtx-0.1-any.timings", b"x")
    removed = json.loads(selcon("clean", "--stale", "--yes", "--json", "--cache", engines).stdout)
    reasons = " ".join(each["why"] for each in removed["removed"])
    assert len(removed["removed"]) == 5 and "another version of selcon_ros" in reasons
    assert "was built by TensorRT for RTX 0.1" in reasons
    assert [entry.record.bundle for entry in cache.entries()] == ["tiny"] and cache.timings() == []
    result = selcon("clean", "--all", "--yes", "--cache", engines)
    assert result.exit_code == 0 and "MiB" in result.output and cache.entries() == []


def test_clean_waits_for_no_build_but_says_so(folder: Path) -> None:
    cache = Cache(folder / "engines")
    with cache.lock(KEY, lambda: None):
        result = selcon("clean", "--all", "--yes", "--cache", folder / "engines")
    assert result.exit_code == 1 and "another process builds an engine in" in result.output
    assert len(cache.entries()) == 1


def test_ctrl_c_leaves_nothing(folder: Path) -> None:
    """A process, since the signal is meant for it; it comes once the graph has been compared."""
    words = ["build", folder / "tiny", *RTX, "--target", "8.6", "--cache", folder / "fresh"]
    process = subprocess.Popen(
        [sys.executable, "-m", "selcon_ros.cli.main", "engine", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None and "converted graph" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "selcon engine: stopped" in errors and "Traceback" not in errors
    cache = Cache(folder / "fresh")
    assert cache.entries() == [] == cache.damaged()


def test_the_kind_is_the_one_that_is_installed() -> None:
    from selcon_ros.cli.engine_options import chosen_library

    name = "tensorrt" if LIBRARIES["tensorrt"].is_installed else "tensorrt_rtx"
    assert chosen_library(None).name == name
