"""The package in a colcon workspace: built, its tests really run, and everything where ROS 2 looks for it."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("colcon_core", reason="needs colcon: pip install colcon-common-extensions")
pytest.importorskip("colcon_ros", reason="needs colcon: pip install colcon-common-extensions")
pytest.importorskip("rclpy", reason="needs ROS 2: source it, or pip install 'selcon_ros[ros]'")

from support.tree import tracked_copy


def run(command: list[str], workspace: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment.update(COLCON_HOME=str(workspace / ".colcon"), ROS_LOG_DIR=str(workspace / "ros_log"))
    process = subprocess.run(
        command, cwd=workspace, env=environment, capture_output=True, text=True, timeout=240
    )
    process.stdout += process.stderr
    return process


def test_colcon_finds_both_packages_and_the_messages_first(tmp_path: Path) -> None:
    # It does not look below a folder with a package.xml: docs/interfaces.md.
    source = tracked_copy(tmp_path / "src" / "selcon_ros")
    paths = ["--base-paths", str(source), str(source / "selcon_interfaces")]
    what = ["--topological-order", "--packages-up-to", "selcon_ros"]
    listed = run([sys.executable, "-m", "colcon", "list", *what, *paths], tmp_path)
    found = [line.split("\t")[::2] for line in listed.stdout.splitlines()]
    assert found == [["selcon_interfaces", "(ros.ament_cmake)"], ["selcon_ros", "(ros.ament_python)"]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    tracked_copy(folder / "src" / "selcon_ros")
    built = run([sys.executable, "-m", "colcon", "build"], folder)
    assert built.returncode == 0, built.stdout
    return folder


def sourced(workspace: Path, command: str) -> subprocess.CompletedProcess[str]:
    return run(["bash", "-c", f". install/setup.bash && cd / && {command}"], workspace)


def test_share_has_what_launch_and_rviz_load(workspace: Path) -> None:
    share = workspace / "install" / "selcon_ros" / "share"
    source = workspace / "src" / "selcon_ros"
    assert (share / "ament_index" / "resource_index" / "packages" / "selcon_ros").is_file()
    for name in ("package.xml", "LICENSE"):
        assert (share / "selcon_ros" / name).is_file()
    for kind, pattern in (("launch", "*.launch.py"), ("config", "*")):
        expected = {path.name for path in (source / kind).glob(pattern)}
        assert {path.name for path in (share / "selcon_ros" / kind).iterdir()} == expected


def test_ros2_run_finds_the_executables(workspace: Path) -> None:
    # `ros2 run` takes every executable file in lib/<package>.
    folder = workspace / "install" / "selcon_ros" / "lib" / "selcon_ros"
    executables = {path.name for path in folder.iterdir() if os.access(path, os.X_OK)}
    assert executables == {"grounding_node", "selcon"}
    version = sourced(workspace, f"{folder / 'selcon'} --version")
    assert version.stdout.startswith("selcon, version ")
    node = sourced(workspace, f"{folder / 'grounding_node'} --ros-args -p bundle:=/nowhere")
    assert node.returncode == 1
    assert "no model bundle at /nowhere" in node.stdout
    assert "Traceback" not in node.stdout


def test_the_packages_and_their_files_are_installed(workspace: Path) -> None:
    where = sourced(
        workspace,
        f"{sys.executable} -c 'import selcon_ros, selcon_training, selcon_tabletop; "
        "print(selcon_ros.__file__, selcon_training.__file__, selcon_tabletop.__file__, sep=chr(10))'",
    )
    paths = [Path(line) for line in where.stdout.split()]
    assert len(paths) == 3, where.stdout
    for path in paths:
        assert path.is_relative_to(workspace / "install"), path
    sources = workspace / "src" / "selcon_ros" / "selcon_ros" / "assets"
    installed = paths[0].parent / "assets"
    for asset in sources.rglob("*"):
        assert (installed / asset.relative_to(sources)).exists(), asset


def test_colcon_test_runs_tests(workspace: Path) -> None:
    # A few quick ones: that colcon finds and runs them is what counts, not what they say.
    chosen = ["--return-code-on-test-failure", "--pytest-args", "test/package/test_metadata.py"]
    tested = run([sys.executable, "-m", "colcon", "test", *chosen], workspace)
    assert tested.returncode == 0, tested.stdout
    results = ElementTree.parse(workspace / "build" / "selcon_ros" / "pytest.xml").getroot()
    counts = {key: int(results.find("testsuite").get(key, "0")) for key in ("tests", "failures", "errors")}
    assert counts["tests"] >= 4
    assert counts["failures"] == counts["errors"] == 0
