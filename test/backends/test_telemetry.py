"""ONNX Runtime and OpenVINO tell nobody that they are used, whatever of ours runs them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.openvino import needs_openvino
from support.tree import tracked_files

ROOT = Path(__file__).parents[2]
# Their __init__.py turns it off, and Python runs that before any module in them.
PACKAGES = ("selcon_ros", "training/selcon_training", "training/selcon_tabletop", "benchmarks")
VARIABLE = "ORT_DISABLE_TELEMETRY"


def run(arguments: list[str], home: Path, **variables: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE} | variables
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'training'}"
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, cwd=home, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("backend", ["auto", pytest.param("openvino", marks=needs_openvino)])
def test_a_command_leaves_nothing_in_the_user_s_home(tmp_path: Path, backend: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    picture = tmp_path / "grey.png"
    cv2.imwrite(str(picture), np.full((60, 80, 3), 128, np.uint8))
    given = ["--action", "hold", "--threads", "1", "--backend", backend]
    run(["-m", "selcon_ros.cli.main", "ground", str(picture), *given], home, CI="")
    # But for what was chosen on this processor, which is ours.
    assert [path.suffix for path in home.rglob("*") if path.is_file()] in ([], [".choice"])


@pytest.mark.parametrize(
    "package",
    ["selcon_ros", "selcon_ros.core.grounding.bundle", "selcon_training", "selcon_tabletop", "benchmarks"],
)
def test_it_is_off_once_a_package_is_imported(tmp_path: Path, package: str) -> None:
    # Before all else, and so before torch, which takes its time.
    code = f"""
import os, sys
sys.modules["torch"] = None
import {package}
print(os.environ["{VARIABLE}"])
"""
    assert run(["-c", code], tmp_path).strip() == "1"
    assert run(["-c", code], tmp_path, **{VARIABLE: "0"}).strip() == "0"  # the user's own choice


def test_nothing_outside_the_packages_and_tests_imports_onnxruntime() -> None:
    outside = [
        path
        for path in tracked_files()
        if path.suffix == ".py"
        and path.parts[0] != "test"
        and not any(path.is_relative_to(package) for package in PACKAGES)
    ]
    assert Path("setup.py") in outside
    for path in outside:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert "onnxruntime" not in {name.partition(".")[0] for name in names}, path
