"""Read camera calibrations from disk."""

import json
from pathlib import Path

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.errors import CameraError


def read_camera(path: str | Path) -> tuple[Intrinsics, float]:
    """Return the intrinsics, and the depth scale in metres (0.001 if not given), of a camera file.

    It is JSON: {"width", "height", "fx", "fy", "cx", "cy", "depth_scale"}. Raises CameraError.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CameraError(f"camera file {path} cannot be read: {error}") from None
    if not isinstance(record, dict):
        raise CameraError(f"camera file {path}: it must be a JSON object")
    record.setdefault("depth_scale", 0.001)
    numbers = {}
    for name in ("fx", "fy", "cx", "cy", "width", "height", "depth_scale"):
        value = record.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise CameraError(f"camera file {path}: {name} must be a number, got {value!r}")
        numbers[name] = float(value)
    for name in ("width", "height"):
        if not numbers[name].is_integer():
            raise CameraError(f"camera file {path}: {name} must be a whole number, got {numbers[name]}")
    scale, width, height = numbers.pop("depth_scale"), int(numbers.pop("width")), int(numbers.pop("height"))
    if not 0 < scale < float("inf"):
        raise CameraError(f"camera file {path}: depth_scale must be above zero, got {scale}")
    try:
        fx, fy, cx, cy = (numbers[name] for name in ("fx", "fy", "cx", "cy"))
        return Intrinsics(fx, fy, cx, cy, width, height), scale
    except CameraError as error:
        raise CameraError(f"camera file {path}: {error}") from None
