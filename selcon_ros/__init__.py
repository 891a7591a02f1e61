"""Say which part of an object affords an action, and where to grasp it.

    model = selcon_ros.load("bundles/mine")      # without a path: the packaged bundle
    grounding = model.ground(image)              # one pass of the network for all actions
    heatmap = grounding.heatmap("hold")
    result = selcon_ros.find_grasps(heatmap, depth, intrinsics)

Where only grasp points are needed, give `find_grasps` the map `grounding.coarse_heatmap("hold")`: it is not
upsampled first, which saves time.

Everything in `__all__` is imported when it is first used: importing this package is quick, and takes neither
an inference engine nor torch nor ROS.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selcon_ros.backends.options import CpuOptions, GpuOptions
    from selcon_ros.core.cameras.camera import Intrinsics
    from selcon_ros.core.cameras.camera_files import read_camera
    from selcon_ros.core.errors import (
        BackendError,
        BundleError,
        CameraError,
        Cancelled,
        DepthError,
        EngineError,
        ImageError,
        NotInstalledError,
        ParameterError,
        SelconError,
        UnknownActionError,
    )
    from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
    from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult, PartMask, Refusal
    from selcon_ros.core.grounding.grounder import Grounding
    from selcon_ros.core.grounding.heatmap import CoarseHeatmap, Heatmap
    from selcon_ros.core.pictures.depth_files import read_depth
    from selcon_ros.core.pictures.picture_files import read_image
    from selcon_ros.core.reason import Reason
    from selcon_ros.model import Model, load

__version__ = "0.2.0"
__all__ = [
    "BackendError",
    "BundleError",
    "CameraError",
    "Cancelled",
    "CoarseHeatmap",
    "CpuOptions",
    "DepthError",
    "EngineError",
    "GpuOptions",
    "GraspParameters",
    "GraspPoint",
    "GraspResult",
    "Grounding",
    "Heatmap",
    "ImageError",
    "Intrinsics",
    "Model",
    "NotInstalledError",
    "ParameterError",
    "PartMask",
    "Reason",
    "Refusal",
    "SelconError",
    "UnknownActionError",
    "__version__",
    "find_grasps",
    "load",
    "read_camera",
    "read_depth",
    "read_image",
]

# ONNX Runtime from 1.29 on reports its use to its maker once it is imported, from a thread of its own, and
# keeps a device id and a database in the user's cache. No module of ours imports it before this line has run,
# and processes that we start inherit it. A value that is already set, such as 0, is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenCV writes lines of its own about a picture that it cannot decode, for which our message stands.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

_ERRORS = "selcon_ros.core.errors"
# The module of each name (PEP 562). `TYPE_CHECKING` above tells type checkers the same; a test compares.
_MODULES = {
    "BackendError": _ERRORS,
    "BundleError": _ERRORS,
    "CameraError": _ERRORS,
    "Cancelled": _ERRORS,
    "CoarseHeatmap": "selcon_ros.core.grounding.heatmap",
    "CpuOptions": "selcon_ros.backends.options",
    "DepthError": _ERRORS,
    "EngineError": _ERRORS,
    "GpuOptions": "selcon_ros.backends.options",
    "GraspParameters": "selcon_ros.core.grasps.grasp",
    "GraspPoint": "selcon_ros.core.grasps.grasp_result",
    "GraspResult": "selcon_ros.core.grasps.grasp_result",
    "Grounding": "selcon_ros.core.grounding.grounder",
    "Heatmap": "selcon_ros.core.grounding.heatmap",
    "ImageError": _ERRORS,
    "Intrinsics": "selcon_ros.core.cameras.camera",
    "Model": "selcon_ros.model",
    "NotInstalledError": _ERRORS,
    "ParameterError": _ERRORS,
    "PartMask": "selcon_ros.core.grasps.grasp_result",
    "Reason": "selcon_ros.core.reason",
    "Refusal": "selcon_ros.core.grasps.grasp_result",
    "SelconError": _ERRORS,
    "UnknownActionError": _ERRORS,
    "find_grasps": "selcon_ros.core.grasps.grasp",
    "load": "selcon_ros.model",
    "read_camera": "selcon_ros.core.cameras.camera_files",
    "read_depth": "selcon_ros.core.pictures.depth_files",
    "read_image": "selcon_ros.core.pictures.picture_files",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
