"""The front door: what `import selcon_ros` gives, what it costs, and the snippet in the README."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

import selcon_ros
from selcon_ros.recording import default_recording, read_recording

ROOT = Path(__file__).parents[1]
HEAVY = ("onnxruntime", "onnx", "torch", "rclpy", "tensorrt", "tensorrt_rtx", "pycuda", "selcon_training")


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter, and return the modules that are loaded then."""
    code += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_that_is_heavy() -> None:
    loaded = loaded_after("import selcon_ros\ndir(selcon_ros)")
    assert "selcon_ros" in loaded and not loaded & {*HEAVY, "numpy", "cv2", "selcon_ros.model"}


def test_every_name_is_there_without_an_engine() -> None:
    loaded = loaded_after("from selcon_ros import *\nfind_grasps, load, Model, SelconError")
    assert "selcon_ros.model" in loaded and not loaded & set(HEAVY)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'selcon_ros' has no attribute 'ground'"):
        _ = selcon_ros.ground
    assert set(selcon_ros.__all__) <= set(dir(selcon_ros))


def test_type_checkers_see_what_is_imported_later() -> None:
    """TYPE_CHECKING, `__getattr__` and `__all__` have the same names, of the same modules."""
    tree = ast.parse((ROOT / "selcon_ros/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == selcon_ros._MODULES
    assert sorted([*typed, "__version__"]) == sorted(selcon_ros.__all__)
    for name, module in typed.items():
        assert getattr(selcon_ros, name).__module__ == module


def test_the_snippet_in_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (snippet,) = (block for block in blocks if "import selcon_ros" in block)
    assert len(snippet.strip().splitlines()) <= 8
    frame = read_recording(default_recording()).frames[0]
    height, width = frame.image.shape[:2]
    cv2.imwrite(str(tmp_path / "mug.jpg"), frame.image[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "mug_depth.png"), frame.depth_mm)
    lens = frame.intrinsics
    camera = {"width": width, "height": height, "fx": lens.fx, "fy": lens.fy, "cx": lens.cx, "cy": lens.cy}
    (tmp_path / "mug.json").write_text(json.dumps(camera))
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"confidence [01]\.\d+: \(-?\d+\.\d+, .*\) 0\.0\d", done.stdout), done.stdout
