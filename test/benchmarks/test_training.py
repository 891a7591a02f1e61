"""The training benchmark: its pictures train, its processes answer, what cannot run is a row that says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs torch: pip install 'selcon_ros[train]'")

from benchmarks import training
from benchmarks.training import Steps, draw_pictures
from benchmarks.training_command import training as command
from benchmarks.worker import BenchWorkerError, Worker
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.data.weak import weak_split

# Answers as the real worker does, without networks: that one takes minutes.
DOUBLE = """
import json, sys
kind, clone = sys.argv[1], sys.argv[2]
if kind == "authors" and clone == "broken":
    sys.exit("ModuleNotFoundError: No module named 'models'")
print(json.dumps({"ready": kind}), flush=True)
for line in sys.stdin:
    each = {"encoders": 0.5, "stored": 0.05, "authors": 1.0}[kind]
    print(json.dumps({"seconds": [each] * int(line), "peak_bytes": 2e9}), flush=True)
"""


@pytest.fixture
def doubled(monkeypatch):
    def start(kind, folder, device, threads, clone):
        log = folder / f"{kind}.log"
        command = [sys.executable, "-c", DOUBLE, kind, clone.name if clone else ""]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log.open("w")}
        return Steps(kind, subprocess.Popen(command, text=True, **pipes), log)

    monkeypatch.setattr(training, "_start", start)


def measured(*arguments: str) -> dict[str, dict[str, object]]:
    result = CliRunner().invoke(command, ["--device", "cpu", "--json", *arguments])
    assert result.exit_code == 0, result.output
    return {row["what"]: row for row in json.loads(result.stdout)["rows"]}


def test_the_pictures_make_steps_of_the_paper(tmp_path: Path) -> None:
    draw_pictures(tmp_path)
    split = weak_split(open_dataset(tmp_path, None), "trainset", CLASS_LISTS["seen"])
    assert len(split.exo) == len(split.ego) == 36


def test_ratios_hours_and_the_page(doubled: None, tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text("# Speed\n\nmeasured earlier\n")
    (tmp_path / "clone").mkdir()
    rows = measured("--authors", str(tmp_path / "clone"), "--rounds", "2", "--out", str(page))
    assert rows["CPU, ours, with encoders against the authors' code"]["detail"] == "0.5 s against 1 s"
    assert rows["CPU, ours, with encoders against the authors' code"]["value"] == 0.5
    assert rows["CPU, ours, on stored features against the authors' code"]["met"] is True
    row = rows["CPU, ours, with encoders: a step at batch 8"]
    assert "AGD20K Seen 5.22 h; peak 2.0 GB" in str(row["detail"])
    gpu = rows["GPU: the whole schedule of AGD20K Seen with encoders"]
    assert gpu["value"] is None and gpu["detail"] == "no GPU here"
    assert "measured earlier" in page.read_text() and "# Speed of training" in page.read_text()


@pytest.mark.parametrize(("clone", "reason"), [(None, "--authors"), ("broken", "No module named 'models'")])
def test_without_the_authors_code_the_row_says_so(
    doubled: None, tmp_path: Path, clone: str | None, reason: str
) -> None:
    arguments = []
    if clone:
        (tmp_path / clone).mkdir()
        arguments = ["--authors", str(tmp_path / clone)]
    rows = measured(*arguments, "--rounds", "1")
    row = rows["CPU, the authors' code: a step at batch 8"]
    assert row["value"] is None and reason in str(row["detail"])
    assert rows["CPU, ours, with encoders against the authors' code"]["value"] is None


def test_a_process_that_ends_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.training_worker", "authors"]
    process = subprocess.Popen(
        [*command, str(tmp_path), "cpu", "1", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log").open("w"),
        text=True,
    )
    with Worker("authors", process, tmp_path / "log") as worker:
        with pytest.raises(BenchWorkerError, match="No module named 'models'"):
            worker.answer()
