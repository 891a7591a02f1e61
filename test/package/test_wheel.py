"""The package as pip installs it: commands, share/ files, starters for `ros2 run`, assets, all packages."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.tree import tracked_copy


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tracked_copy(tmp_path_factory.mktemp("clone") / "source")


@pytest.fixture(scope="module")
def wheel(source: Path) -> zipfile.ZipFile:
    folder = source.parent
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"]
    built = subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("selcon_ros-*.whl")
    return zipfile.ZipFile(found)


def test_sources_and_assets(source: Path, wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    training = source / "training"
    packages = {"selcon_ros": source, "selcon_training": training, "selcon_tabletop": training}
    kinds = {".py", ".json", ".yaml", ".html", ".zip"}  # what the code loads from beside itself
    for package, base in packages.items():
        files = {path.relative_to(base) for path in (base / package).rglob("*") if path.is_file()}
        wanted = {str(path) for path in files if path.suffix in kinds or "assets" in path.parts}
        assert wanted and wanted <= names, sorted(wanted - names)
    tops = {name.partition("/")[0] for name in names}
    assert {each for each in tops if ".d" not in each} == set(packages)  # not benchmarks, experiments, test


def test_share_and_starters(source: Path, wheel: zipfile.ZipFile) -> None:
    data = {name.split(".data/data/")[1]: name for name in wheel.namelist() if ".data/data/" in name}
    assert "share/ament_index/resource_index/packages/selcon_ros" in data
    assert "share/selcon_ros/package.xml" in data
    for kind, pattern in (("launch", "*.launch.py"), ("config", "*")):
        for path in (source / kind).glob(pattern):
            assert f"share/selcon_ros/{kind}/{path.name}" in data
    for name in ("selcon", "grounding_node"):
        mode = wheel.getinfo(data[f"lib/selcon_ros/{name}"]).external_attr >> 16
        assert mode & 0o111, "ros2 run lists executable files alone"


def test_commands(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith("entry_points.txt"))
    commands = wheel.read(name).decode()
    assert "selcon = selcon_ros.cli.start:main" in commands
    assert "grounding_node = selcon_ros.ros.main:main" in commands
    assert "training = selcon_training.cli:COMMANDS" in commands
    assert "tabletop = selcon_tabletop:COMMANDS" in commands
    assert "experiments" not in commands


def test_a_robot_needs_no_torch(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    lines = wheel.read(name).decode().splitlines()
    needed = [line.split(":")[1].strip() for line in lines if line.startswith("Requires-Dist:")]
    base = {re.split("[ (<>=;]", requirement)[0] for requirement in needed if "extra ==" not in requirement}
    assert base == {"numpy", "opencv-python-headless", "onnxruntime", "click", "rich", "tqdm", "pyyaml"}
