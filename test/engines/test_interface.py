"""What our code asks of TensorRT exists in TensorRT for RTX, which is the same interface: a wrong name would
show on a GPU alone."""

import ast
from pathlib import Path
from typing import Any

import pytest

trt = pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX: pip install tensorrt-rtx-cu13")
ROOT = Path(__file__).parents[2] / "selcon_ros"
BUILDING = {
    "trt": trt,
    "builder": trt.Builder,
    "config": trt.IBuilderConfig,
    "network": trt.INetworkDefinition,
    "parser": trt.OnnxParser,
    "error": trt.ParserError,
    "profile": trt.IOptimizationProfile,
    "layer": trt.ILayer,
}
RUNNING = {
    "trt": trt,
    "engine": trt.ICudaEngine,
    "self._engine": trt.ICudaEngine,
    "self._runtime": trt.Runtime,
    "self._context": trt.IExecutionContext,
}
FILES = {
    "engines/build.py": (BUILDING, 30),
    "backends/tensorrt_library.py": ({"trt": trt, "self.load()": trt}, 5),
    "engines/repository.py": ({"trt": trt, "library.load()": trt}, 1),
    "backends/tensorrt.py": (RUNNING, 10),
}


def lookups(source: str, objects: dict[str, Any]) -> dict[str, bool]:
    """Every attribute that is taken of these objects, and whether it exists."""

    def value(node: ast.AST) -> Any:
        text = ast.unparse(node)
        if text in objects:
            return objects[text]
        if isinstance(node, ast.Attribute) and (of := value(node.value)) is not None:
            found[text] = hasattr(of, node.attr)
            # What a property of the library's objects is shows on an object alone.
            return None if isinstance(inner := getattr(of, node.attr, None), property) else inner
        return None

    found: dict[str, bool] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            value(node)
    return found


@pytest.mark.parametrize("name", FILES)
def test_what_we_ask_for_exists(name: str) -> None:
    objects, at_least = FILES[name]
    found = lookups((ROOT / name).read_text(), objects)
    assert [text for text, there in found.items() if not there] == []
    assert len(found) >= at_least, sorted(found)


def test_the_walk_sees_a_wrong_name() -> None:
    found = lookups("def f(trt):\n    trt.Builder.build_engine\n    trt.BuilderFlag.TF32", {"trt": trt})
    assert {text for text, there in found.items() if not there} == {"trt.Builder.build_engine"}


def test_the_monitor_overrides_what_the_library_calls() -> None:
    """Both libraries call these by name."""
    for kind, names in (
        (trt.IProgressMonitor, ("phase_start", "step_complete", "phase_finish")),
        (trt.ILogger, ("log",)),
    ):
        assert all(hasattr(kind, name) for name in names)
