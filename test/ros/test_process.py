"""The node as a process of its own: it answers, stops when told to, and says why when it cannot start."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest

from selcon_ros.core.grounding.bundle import write_bundle
from selcon_ros.ros.parameters import Settings
from support import ros
from support.bundles import colour_bundle, colour_manifest, other_outputs
from support.node_process import environment, node_command
from support.ros import OUTPUTS, Robot, calibration, pixels_of
from support.scenes import bar_depth, scene

ROOT = Path(__file__).resolve().parents[2]
PART = (200, 48, 232, 144)
NODE = node_command()


@contextmanager
def process(log: Path, *arguments: str, cores: int | None = None) -> Iterator[subprocess.Popen]:
    """The node, on as many of the cores as it is given."""
    some = sorted(os.sched_getaffinity(0))[:cores]
    with log.open("w") as out:
        started = subprocess.Popen(
            [*NODE, *arguments], env=environment(), stdout=out, stderr=subprocess.STDOUT
        )
        os.sched_setaffinity(started.pid, some)  # before it has begun with threads
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()
            started.wait(10)


@pytest.mark.parametrize(("stop", "cores"), [(signal.SIGINT, 1), (signal.SIGTERM, None)])
def test_it_answers_and_stops_cleanly(bundle, tmp_path, stop, cores):
    log = tmp_path / "log"
    settings = ["-p", f"bundle:={bundle}", "-p", "diagnostics_period:=0.1", "-p", "threads:=1"]
    with ros.context() as context, process(log, *settings, cores=cores) as node:
        robot = Robot(context)
        robot.connect()
        robot.say("hold")
        image, depth = scene(hold=PART), bar_depth(320, 240, PART)
        poses = robot.answer("grasp_points", image, depth, calibration(), fits=lambda heard: heard.poses)
        heatmap = robot.beside(poses, "heatmap")
        v, u = divmod(int(pixels_of(heatmap).argmax()), 320)
        assert PART[0] <= u < PART[2] and PART[1] <= v < PART[3]
        robot.beside(poses, "overlay")
        node.send_signal(stop)
        assert node.wait(60) == 0
        robot.destroy_node()
    said = log.read_text()
    assert "Test model: finds red, green and blue. It knows nothing about objects." in said
    assert "actions: cut_with, hold, pour" in said and "raw images are converted by" in said
    assert "Traceback" not in said


def tampered(folder: Path) -> Path:
    colour_bundle(folder)
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    return folder


def without_model(folder: Path) -> Path:
    colour_bundle(folder)
    (folder / "model.onnx").unlink()
    return folder


def another_format(folder: Path) -> Path:
    colour_bundle(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))
    return folder


def not_onnx(folder: Path) -> Path:
    write_bundle(folder, colour_manifest(), {"model": b"no graph at all"})
    return folder


def empty_zip(folder: Path) -> Path:
    empty = folder.parent / "empty"
    empty.mkdir()
    return Path(shutil.make_archive(str(folder), "zip", empty))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder, "no model bundle at"),
        (tampered, "model.onnx"),
        (without_model, "model.onnx"),
        (another_format, "format_version must be 1"),
        (not_onnx, "ONNX"),
        (other_outputs, "mask"),
        (empty_zip, "manifest.json"),
    ],
    ids=["missing", "tampered", "without_model", "another_format", "not_onnx", "other_outputs", "empty_zip"],
)
def test_a_bundle_that_cannot_be_used_ends_the_start(tmp_path, make, says):
    path = make(tmp_path / "bundle")
    refused(["-p", f"bundle:={path}"], says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-p", "min_confidence:=7.0"], "min_confidence"),
        (["-p", "image_transport:=theora"], "must be one of raw, compressed"),
        (["-p", "threads:=many"], "parameter threads must be of type int"),
        (["-p", "backend:=abacus"], "parameter backend is 'abacus', must be one of auto, "),
        (
            ["-p", "precision:=int4"],
            "parameter precision is 'int4', must be one of auto, fp32, fp16, bf16, int8",
        ),
        (["-p", "precision:=int8"], "has no int8 model"),
        (["-p", "backend:=onnxruntime", "-p", "precision:=fp16"], "does not run fp16"),
        (["-p", "cores:='two'"], "cores is 'two': give core numbers and ranges"),
        (["-p", "cores:='5000'"], "cores are 5000: this process may use"),
        (["--params-file", "/nowhere.yaml"], "grounding_node: no parameter file at '/nowhere.yaml'"),
        (["--params-file=/x"], "unknown arguments ['--params-file=/x']: a flag and its value are two words"),
        (["-p", "use_sim_time:=maybe"], "use_sim_time"),
        (["--", "-p", "action:=hold"], "'-p' is no argument: put --ros-args first"),
        (["-p", "threshold"], "Couldn't parse parameter override rule: '-p threshold'"),
        (["-p", "action:=fly"], "parameter action: unknown action 'fly': This model knows: cut_with, hold"),
    ],
)
def test_a_wrong_parameter_ends_the_start(bundle, arguments, says):
    refused(["-p", f"bundle:={bundle}", *arguments], says)


def test_a_folder_for_logs_that_cannot_be_written_ends_the_start(monkeypatch):
    monkeypatch.setenv("ROS_LOG_DIR", "/dev/null/log")
    refused([], "set HOME, or ROS_LOG_DIR to a folder that can be written to")


def refused(arguments: list[str], says: str) -> None:
    done = subprocess.run([*NODE, *arguments], env=environment(), capture_output=True, text=True, timeout=180)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert says in said and "Traceback" not in said
    assert not re.search(r"\.c(pp)?:\d+", said.split("grounding_node:")[-1])


def test_help_names_every_topic_and_parameter_before_ros_is_begun():
    done = subprocess.run([*NODE, "--help"], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr
    for name in [*OUTPUTS, "/diagnostics", "image", "depth", "camera_info", "action"]:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
    for each in fields(Settings):
        assert f"  {each.name}: {json.dumps(each.default)} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110


WITHOUT = "import sys; sys.modules['rclpy'] = None; from selcon_ros.ros.main import main; sys.exit(main({}))"


def test_without_ros_it_says_what_to_do():
    code = [sys.executable, "-c", WITHOUT.format(["grounding_node"])]
    done = subprocess.run(code, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("grounding_node: ")
    assert len(done.stderr.splitlines()) == 1 and "pip install 'selcon_ros[ros]'" in done.stderr
