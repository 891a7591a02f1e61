"""The fuzz tools run, repeat themselves by seed, and see what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def run(tool: str, report: Path, *arguments: str) -> dict:
    command = [sys.executable, str(ROOT / "tools" / tool), "--json", str(report), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())


def test_files(tmp_path):
    pytest.importorskip("torch", reason="torch is missing: pip install 'selcon_ros[train]'")
    pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")
    kinds = ("--kind", "record", "--kind", "times")
    seen = run("fuzz_files.py", tmp_path / "report", "--count", "12", *kinds, "--jobs", "2")
    assert seen["counts"]["refused"] > 0 and sum(seen["counts"].values()) == 12


def test_messages(tmp_path):
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
    seen = run("fuzz_messages.py", tmp_path / "report", "--count", "120", "--deadline", "90")
    assert seen["counts"]["answers"] > 0 and seen["counts"]["received images"] > 0
    assert all(seen["counts"][f"messages to {name}"] > 0 for name in ("raw", "compressed"))


def use_memory(number: int) -> str:
    np.ones(1 << 33, np.uint8)
    return ""


def cases() -> dict:
    def refuse(number: int) -> str:
        return "no such thing"

    def raise_it(number: int) -> str:
        raise KeyError("actions")

    def crash(number: int) -> str:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's handler would print the stack
        os.kill(os.getpid(), signal.SIGSEGV)
        return ""

    def hang(number: int) -> str:
        time.sleep(100)
        return ""

    return {
        "taken": lambda number: "", "refused": refuse, "traceback": raise_it, "memory": use_memory,
        "crash": crash, "hang": hang,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "work"), cases().items())
def test_how_a_case_ends(monkeypatch, kind, work):
    from fuzzing import children

    monkeypatch.setattr(children, "MAX_SECONDS", 0.5 if kind == "hang" else 30.0)
    (outcome,) = children.run_all([7], work, 1)
    assert (outcome.case, outcome.kind) == (7, kind), outcome


@pytest.mark.parametrize("content", [b'{"a": [1, {"b": null}]}', b"not JSON", b""])
def test_damage_repeats_itself(tmp_path, content):
    from fuzzing.damage import spoil
    from fuzzing.report import generator

    def spoilt(case: int) -> tuple:
        path = tmp_path / "file.json"
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        done = spoil(generator(3, case), path)
        kind = path.lstat().st_mode
        path.rmdir() if path.is_dir() else None
        return done, kind, path.read_bytes() if done.startswith(("damage", "in_")) else b""

    first = [spoilt(case) for case in range(40)]
    assert [spoilt(case) for case in range(40)] == first
    assert len({done for done, _, _ in first}) > 2


def test_the_judge_of_outputs():
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
    from fuzzing.judge import faults
    from geometry_msgs.msg import Point, Point32, Polygon, PolygonStamped, Pose, PoseArray, Quaternion

    from support.messages import header, raw_image

    sizes = {(100, 0): (4, 3)}
    heat = np.zeros((3, 4), np.float32)
    judged = lambda message: list(faults(message, sizes))  # noqa: E731
    assert not judged(raw_image(heat, "32FC1"))
    assert judged(raw_image(heat + np.nan, "32FC1")) and judged(raw_image(heat + 1.5, "32FC1"))
    assert judged(raw_image(heat, "32FC1", stamp=header(5.0)))

    def poses(z: float, w: float = 1.0) -> PoseArray:
        pose = Pose(position=Point(x=0.0, y=0.0, z=z), orientation=Quaternion(w=w))
        return PoseArray(header=header(), poses=[pose])

    assert not judged(poses(0.5))
    assert all(judged(poses(z)) for z in (-0.5, 0.0, float("nan")))
    assert judged(poses(0.5, w=0.9))

    def pixels(x: float) -> PolygonStamped:
        return PolygonStamped(header=header(), polygon=Polygon(points=[Point32(x=x, y=1.0, z=0.5)]))

    assert not judged(pixels(3.0))
    assert judged(pixels(4.0)) and judged(pixels(-1.0))


def test_the_judge_of_results():
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
    from fuzzing.judge import faults

    from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
    from selcon_ros.ros import interfaces
    from selcon_ros.ros.diagnostics import AnswerTimes
    from selcon_ros.ros.results import result_message
    from support.messages import header

    if interfaces.MISSING:
        pytest.skip("selcon_interfaces is not built: python tools/build_interfaces.py")
    point = GraspPoint((3.0, 1.0), 0.5, (0.0, 0.0, 0.5), (1.0, 0.0, 0.0, 0.0), width=0.02)

    def judged(**changes: object) -> list[str]:
        grasps = GraspResult((replace(point, **changes),))
        message = result_message("hold", 0.5, grasps, (3, 4), AnswerTimes(0.0, 0.0, 0.0, 0.0), "m", header())
        return list(faults(message, {(100, 0): (4, 3)}))

    assert not judged() and not judged(position=None, orientation=None, width=None)
    assert judged(pixel=(4.0, 1.0)) and judged(score=1.5) and judged(score=float("nan"))
    assert judged(position=(0.0, 0.0, -0.5)) and judged(position=(0.0, float("nan"), 0.5))
    assert judged(width=float("nan")) and judged(jaws=((0.0, float("inf")), (1.0, 1.0)))
