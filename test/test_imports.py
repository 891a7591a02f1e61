"""Which libraries each part imports, and when; and the contracts of pyproject.toml on who may import whom."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
TORCH = {"torch", "torchvision", "timm", "open_clip", "selcon_training"}
HEAVY = TORCH | {"onnxruntime", "mujoco", "matplotlib", "tensorboard", "rclpy", "tensorrt"}
ENGINES = {"onnxruntime", "tensorrt", "torch", "openvino", "pycuda", "onnx"}
# What the files of selcon_ros/backends may import of ENGINES.
ENGINES_OF = {
    "onnxruntime": {"onnxruntime"},
    "onnxruntime_graph": {"onnxruntime"},
    "openvino": {"openvino"},
    "torch": {"torch", "onnx"},
    "cuda": {"pycuda"},
}
# Written in torch, and loaded when the torch backend is opened.
IN_TORCH = ROOT / "selcon_ros/backends/onnx_in_torch"


class Import(NamedTuple):
    """One imported module, the line, and whether it is imported when the file is (not in a function)."""

    module: str
    line: int
    at_once: bool

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]


@cache
def imports(file: Path) -> tuple[Import, ...]:
    return tuple(_imports(ast.parse(file.read_text(encoding="utf-8")), file, at_once=True))


def _imports(node: ast.AST, file: Path, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, at_once) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                package = file.parent if child.level == 1 else file.parents[child.level - 1]
                base = ".".join([*package.relative_to(ROOT).parts, *([base] if base else [])])
            # What follows `import` may be a module too: `from selcon_ros import ros`.
            yield Import(base, child.lineno, at_once)
            yield from (Import(f"{base}.{alias.name}", child.lineno, at_once) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif not isinstance(child, ast.expr):  # imports are statements
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(child, file, at_once and not function)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def breaches(folder: str, allowed: Callable[[Path, Import], bool]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{found.line} imports {found.module}"
        for file in files(folder)
        for found in imports(file)
        if not allowed(file, found)
    ]


def test_core_needs_numpy_and_opencv_only() -> None:
    """And PyYAML, but only when a YAML file is read."""
    libraries = {"numpy", "cv2", "selcon_ros", *sys.stdlib_module_names}

    def allowed(file: Path, found: Import) -> bool:
        when_read = file.stem == "yaml_file" and found.library == "yaml" and not found.at_once
        return found.library in libraries or when_read

    assert not breaches("selcon_ros/core", allowed)


def test_a_backend_imports_its_own_engine_and_when_it_is_opened() -> None:
    def allowed(file: Path, found: Import) -> bool:
        in_torch = file.parent == IN_TORCH
        if found.library in ENGINES:
            mine = {"torch", "onnx"} if in_torch else ENGINES_OF.get(file.stem, set())
            return found.library in mine and (in_torch or not found.at_once)
        if found.module.startswith("selcon_ros.backends.onnx_in_torch"):
            return in_torch or (file.stem == "torch" and not found.at_once)
        return found.library in {"numpy", "selcon_ros", *sys.stdlib_module_names}

    assert not breaches("selcon_ros/backends", allowed)


def test_engines_are_built_with_few_libraries() -> None:
    builders = {"numpy", "onnx", "onnxruntime", "filelock", "selcon_ros"}
    assert not breaches(
        "selcon_ros/engines", lambda _, found: found.library in builders | set(sys.stdlib_module_names)
    )


def test_nothing_imports_what_is_built_on_it() -> None:
    above = {"selcon_tabletop", "experiments", "benchmarks"}
    assert not breaches("training/selcon_training", lambda _, found: found.library not in above)
    assert not breaches("selcon_ros", lambda _, found: found.library not in above)
    above.remove("selcon_tabletop")
    assert not breaches("training/selcon_tabletop", lambda _, found: found.library not in above)


def test_commands_import_what_is_heavy_when_they_run() -> None:
    for folder in ("selcon_ros/cli", "training/selcon_training/cli"):
        assert not breaches(
            folder, lambda _, found: not (found.at_once and found.library in HEAVY - {"selcon_training"})
        )


@pytest.mark.parametrize("code", ["import pickle", "from pickle import loads"])
def test_the_walk_sees_imports(tmp_path: Path, code: str) -> None:
    file = tmp_path / "x.py"
    file.write_text(f"{code}\ndef f():\n    import torch.nn\n    from onnxruntime import InferenceSession\n")
    found = {(each.library, each.at_once) for each in imports(file)}
    assert found == {("pickle", True), ("torch", False), ("onnxruntime", False)}


def test_a_robot_loads_no_pickle() -> None:
    pickles = {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    assert not breaches("selcon_ros", lambda _, found: found.library not in pickles)


def test_the_tests_of_core_are_collected_without_torch_and_ros() -> None:
    code = (
        "import sys\nsys.modules.update(dict.fromkeys(('torch', 'rclpy', 'sensor_msgs')))\n"
        "import pytest\nsys.exit(pytest.main(['-q', '--co', '-p', 'no:cacheprovider', 'test/core']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout.lower(), done.stdout


def test_core_and_backends_load_without_torch_ros_or_engine() -> None:
    """What is really loaded, through whatever is imported by what is imported."""
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in ("selcon_ros/core", "selcon_ros/backends")
        for file in files(folder)
        if file.parent != IN_TORCH
    ]
    code = f"import sys\nfor name in {modules!r}: __import__(name)\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "selcon_ros.core.grasps.grasp" in loaded
    assert not (HEAVY | {"onnx"}) & set(loaded)


def test_imports_point_one_way() -> None:
    pytest.importorskip("importlinter", reason="no import-linter: pip install import-linter")
    # In a process of its own: it turns off every logger that there is.
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "training")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
