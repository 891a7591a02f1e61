"""Read camera calibrations from disk: our own JSON and what ROS, OpenCV, Open3D and librealsense write."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from selcon_ros.core.cameras.camera import Intrinsics, pinhole
from selcon_ros.core.cameras.distortion import MODEL_BY_COUNT, Distortion, distortion_from
from selcon_ros.core.errors import CameraError
from selcon_ros.core.files import json_file, yaml_file
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.text import quoted

MAX_FILE_BYTES = 64_000
"""A calibration has a few thousand; PyYAML takes seconds for a megabyte."""
DEFAULT_DEPTH_SCALE = 0.001
"""Metres, where the file does not say: depth in millimetres, as ROS and most cameras have it."""
ACCEPTED_FORMATS = (
    "JSON with width, height, fx, fy, cx, cy; ROS's camera_info; intrinsics of OpenCV, Open3D, librealsense"
)
# librealsense's models by the model of the same rays; see `_lens`.
REALSENSE_MODELS = {
    "brown_conrady": "plumb_bob",
    "inverse_brown_conrady": "plumb_bob",
    "kannala_brandt4": "equidistant",
}
# Names of the list of coefficients.
COEFFICIENT_KEYS = (
    "distortion_coefficients",
    "d",
    "coeffs",
    "distortion_coeffs",
    "dist_coeffs",
    "distortion",
    "dist",
)

Record = Mapping[str, Any]


def read_camera(path: str | Path, rectified: bool = False) -> tuple[Intrinsics, float]:
    """Return the intrinsics of a camera file, and the unit of its depth in metres (0.001 if not given).

    Forms: JSON {"width", "height", "fx", "fy", "cx", "cy"} with "depth_scale" (metres a unit),
    "distortion_model" and "d" if need be; ROS's calibration file and the text of a CameraInfo message (YAML),
    with binning and region of interest, and camera_calibration's ost.txt; OpenCV's FileStorage (YAML, JSON)
    with camera_matrix, distortion_coefficients, image_width and image_height; Open3D's pinhole camera and
    RGB-D metadata (JSON; its depth_scale is units a metre); librealsense's intrinsics (JSON: ppx, ppy, model,
    coeffs). With `rectified`, the projection matrix of a ROS calibration is used without distortion.
    Raises CameraError.
    """
    name = f"camera file {path}"
    record = _parse(read_bytes(path, CameraError, MAX_FILE_BYTES), name)
    try:
        return _intrinsics(record, rectified), _depth_scale(record)
    except CameraError as error:
        raise CameraError(f"{name}: {error}") from None


def _parse(content: bytes, name: str) -> Record:
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise CameraError(f"{name} is empty")
    if start.startswith(b"<"):
        raise CameraError(f"{name} is XML: write it as YAML or JSON (OpenCV does, by the name's ending)")
    parse: Callable[[bytes, str, type[CameraError]], Record] = yaml_file.parse_object
    if re.search(rb"^\[image\]\s*$", start, re.MULTILINE):
        parse = _parse_ost
    elif re.match(rb'\[|\{\s*["}]', start):  # YAML's braces (ros2 topic echo --flow-style) have no quotes
        parse = json_file.parse_object
    record: dict[str, Any] = {}
    for key, value in parse(content, name, CameraError).items():
        record.setdefault(str(key).lower(), value)  # ROS 1 writes K and D, ROS 2 k and d
    inner = record.get("intrinsic")  # Open3D's camera parameters: beside the extrinsic matrix
    return {**record, **inner} if isinstance(inner, dict) else record


def _parse_ost(content: bytes, name: str, fault: type[CameraError]) -> Record:
    """Return what camera_calibration's ost.txt says: a name on a line, numbers on those that follow."""
    record: dict[str, Any] = {}
    key, cameras = "", 0
    for line in content.decode("utf-8-sig", "replace").splitlines():
        line = line.partition("#")[0].strip()
        cameras += line.startswith("[") and line != "[image]"
        if not line or line.startswith("["):
            continue
        try:
            record.setdefault(key, []).extend(float(word) for word in line.split())
        except ValueError:
            key = line.lower()
    if cameras > 1:
        raise fault(f"{name} holds {cameras} cameras: keep the colour camera's part only")
    names = {"camera matrix": "camera_matrix", "distortion": "d", "projection": "projection_matrix"}
    single = {key: values[0] for key in ("width", "height") if (values := record.get(key))}
    return {**{names[key]: values for key, values in record.items() if key in names}, **single}


def _intrinsics(record: Record, rectified: bool) -> Intrinsics:
    fx, fy, cx, cy = _pinhole(record, rectified)
    width, height = (
        _whole(record, f"image_{side}" if f"image_{side}" in record else side) for side in ("width", "height")
    )
    whole = Intrinsics(fx, fy, cx, cy, width, height, None if rectified else _lens(record))
    whole.check_whole()
    region = record.get("roi")
    region = region if isinstance(region, dict) else {}
    sides = [_whole(region, side, 0) for side in ("x_offset", "y_offset", "width", "height")]
    binning = (_whole(record, "binning_x", 1), _whole(record, "binning_y", 1))
    return whole.part((sides[0], sides[1], sides[2], sides[3]), binning)


def _pinhole(record: Record, rectified: bool) -> tuple[float, ...]:
    """Return fx, fy, cx, cy."""
    projection = next((name for name in ("projection_matrix", "p") if name in record), None)
    matrix = next((name for name in ("camera_matrix", "k", "m", "intrinsic_matrix") if name in record), None)
    if rectified and projection is not None:
        return pinhole(_numbers(record[projection], projection, 12), projection)
    if rectified and _lens(record) is not None:
        raise CameraError("it has no projection matrix for a rectified picture: take the raw picture")
    if matrix is None:
        if not {"fx", "fy"} & set(record):
            raise CameraError(f"it has no form that is read: {ACCEPTED_FORMATS}")
        cx, cy = ("ppx", "ppy") if "ppx" in record else ("cx", "cy")
        return _number(record, "fx"), _number(record, "fy"), _number(record, cx), _number(record, cy)
    value = record[matrix]
    k, order = _numbers(value, matrix, 9), "row by row"
    if matrix == "intrinsic_matrix" and isinstance(value, list) and not isinstance(value[0], list):
        # As Open3D writes it.
        k, order = [k[place] for place in (0, 3, 6, 1, 4, 7, 2, 5, 8)], "column by column"
    if k[8] != 1:
        raise CameraError(f"{matrix} ends with {k[8]:g}, not with 1: use the camera's own calibration")
    return pinhole(k, matrix, order)


def _lens(record: Record) -> Distortion | None:
    """Return the lens's distortion.

    librealsense 2.59 deprojects brown_conrady as plumb_bob and inverse_brown_conrady within 0.03 mm at 1 m of
    it (its tangential part is applied after the radial one), kannala_brandt4 as equidistant; it does not
    deproject modified_brown_conrady, and for `none` it leaves the coefficients out.
    """
    given = next((record[name] for name in COEFFICIENT_KEYS if record.get(name) is not None), None)
    unread = _unread(record) + (_unread(given) if isinstance(given, dict) else [])
    if unread:
        raise CameraError(
            f"it has distortion as {quoted(', '.join(unread))}: write distortion_model and a list d"
        )
    if given is None or (isinstance(given, dict) and not given.get("data", given)):
        return None
    coefficients = _numbers(given, "the distortion")
    if not any(coefficients):
        return None
    names = ("distortion_model", "camera_model", "model")
    model = next((record[name] for name in names if record.get(name) not in (None, "")), None)
    if record.get("fisheye_model") not in (None, 0, False, "false"):
        model = "equidistant"  # as OpenCV's calibration sample says it
    if model is None and len(coefficients) != 4:  # four may be a fisheye's, too
        model = MODEL_BY_COUNT.get(len(coefficients))
    if model is None:
        raise CameraError(
            f"it has {len(coefficients)} distortion coefficients and does not say of which model: add "
            "distortion_model, plumb_bob or equidistant (an ost.txt has no place for it: take the ost.yaml)"
        )
    name = re.sub(r"^(distortion\.|rs2_distortion_)", "", str(model).strip().lower()).replace(" ", "_")
    if name == "none" and "coeffs" in record:
        return None
    return distortion_from(REALSENSE_MODELS.get(name, name), coefficients)


def _unread(record: Record) -> list[str]:
    """Return the names of distortion that is not zero and in a form that is not read."""
    return [
        name for name, value in record.items()
        if re.fullmatch("[kp][1-6]|(?!un).*distort.*", name) and name not in COEFFICIENT_KEYS
        and not isinstance(value, bool | str) and (any(value) if isinstance(value, list) else value)
    ]  # fmt: skip


def _depth_scale(record: Record) -> float:
    scale = _number(record, "depth_scale", DEFAULT_DEPTH_SCALE)
    if not scale > 0:  # nor NaN
        raise CameraError(f"depth_scale must be above zero, got {scale:g}")
    if "intrinsic_matrix" in record and "depth_scale" in record:
        scale = 1 / scale  # Open3D's are units a metre
    if scale > 1:
        raise CameraError(
            f"depth_scale makes {scale:g} m of a unit of depth: it is metres a unit, 0.001 for millimetres "
            "(in Open3D's files units a metre, 1000)"
        )
    return scale


def _numbers(value: Any, name: str, count: int | None = None) -> list[float]:
    """Return the numbers of a list, of rows of them, or of a matrix {"rows", "cols", "data"}."""
    flat = value
    if isinstance(value, dict):
        flat = value.get("data")
        size = _number(value, "rows", 1), _number(value, "cols", count or 1)
        if "rows" in value and "cols" in value and isinstance(flat, list) and len(flat) != size[0] * size[1]:
            raise CameraError(f"{name} has {len(flat)} numbers, not {size[0]:g} x {size[1]:g}")
    if isinstance(flat, list) and flat and all(isinstance(row, list) for row in flat):
        flat = [each for row in flat for each in row]
    if not isinstance(flat, list) or (count is not None and len(flat) != count):
        raise CameraError(f"{name} must be a list of {count or 'some'} numbers, got {quoted(value)}")
    return [_number({name: each}, name) for each in flat]


def _number(record: Record, name: str, default: float | None = None) -> float:
    value = record.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise CameraError(f"{name} must be a number, got {quoted(value)}")
    return float(value)


def _whole(record: Record, name: str, default: int | None = None) -> int:
    value = _number(record, name, default)
    if not math.isfinite(value) or not value.is_integer():
        raise CameraError(f"{name} must be a whole number, got {value}")
    return int(value)
