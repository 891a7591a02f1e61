"""Make torchvision importable beside a torch it was not built with.

timm and open_clip import torchvision. Where its compiled operators do not load (a CPU torch beside PyPI's
CUDA torchvision, or a Jetson's own torch), that import fails with "operator torchvision::nms does not exist".
Nothing here calls those operators, so declaring their schemas is enough.
"""

from __future__ import annotations

import importlib
import sys

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # the schemas live as long as this object


def ensure() -> None:
    """Import torchvision, declaring the operators that its compiled part did not bring; a working one is left
    alone.
    """
    global _library
    if _library is not None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # the half-imported package would be found again
        _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            _library.define(schema)  # type: ignore[no-untyped-call]
        importlib.import_module("torchvision")
