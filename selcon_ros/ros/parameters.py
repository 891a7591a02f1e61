"""The node's parameters: one typed table with default, range and description, and what fits in it.

Nothing here needs ROS; `selcon_ros.ros.node_parameters` puts them on a node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal

from selcon_ros.backends.base import BACKENDS
from selcon_ros.core.errors import ParameterError
from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.core.grounding.bundle import PRECISIONS
from selcon_ros.core.pictures.orientation import TURNS
from selcon_ros.core.pictures.pixel_limit import MAX_PIXELS, PixelLimit
from selcon_ros.core.text import quoted
from selcon_ros.model import AUTO

ROS_PARAMETERS = ("use_sim_time", "start_type_description_service", "qos_overrides")
"""What rclpy declares itself; those of topics begin with the last one."""
MAX_REQUEST_SECONDS = 3600.0
"""How long a request may wait, at most."""
ALL_PARAMETERS = "*"
"""In `read_only_parameters`: every parameter."""
MAX_NAMES_SHOWN = 5
"""Unknown names that are told at once."""


Changes = Literal["start", "configure", "any time"]
"""When a parameter can be set: when the node starts, also while it is unconfigured, or always."""


def _parameter(
    default: Any,
    description: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | tuple[int, ...] = (),
    changes: Changes = "any time",
) -> Any:
    about = {"description": description, "low": low, "high": high, "choices": choices, "changes": changes}
    return field(default=default, metadata=about)


_GRASP_FIELDS = {each.name: each for each in fields(GraspParameters)}


def _grasp_parameter(name: str, description: str) -> Any:
    """A parameter with the default and the range of a field of `GraspParameters`."""
    about = _GRASP_FIELDS[name]
    return _parameter(about.default, description, about.metadata["low"], about.metadata["high"])


_TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class Settings:
    """All parameters at one moment, each with when it can be set (`Changes`)."""

    autostart: bool = _parameter(
        True, "Configure and activate when the node starts; false: a lifecycle manager does.", changes="start"
    )
    bond_heartbeat_period: float = _parameter(
        0.25,
        "Seconds between two heartbeats for a lifecycle manager, while active; 0: none.",
        0.0,
        10.0,
        changes="start",
    )
    bundle: str = _parameter(
        "", "Model bundle, a folder or .zip; empty: the packaged one.", changes="configure"
    )
    backend: str = _parameter(
        "auto",
        "Inference engine; auto: the first for GPUs in docs/engines.md that runs here and agrees with fp32, "
        "else the fastest on the CPU.",
        choices=(AUTO, *BACKENDS),
        changes="configure",
    )
    precision: str = _parameter(
        "auto",
        "Of the model; auto: fp16 on a GPU, on a CPU the fastest of fp32, bf16 and int8, measured.",
        choices=PRECISIONS,
        changes="configure",
    )
    build_engine: bool = _parameter(
        True, "Build a GPU's engine that is missing, which may take minutes.", changes="configure"
    )
    engine_cache: str = _parameter(
        "", "Folder of built engines and measured times; empty: the user's cache.", changes="configure"
    )
    device: int = _parameter(0, "Number of the GPU.", 0, 64, changes="configure")
    threads: int = _parameter(
        0, "Threads of the engine on the CPU; 0: one per core.", 0, 256, changes="configure"
    )
    cores: str = _parameter(
        "", "CPU cores of the engine's threads, such as 0,2-5; empty: all.", changes="configure"
    )
    spinning: bool = _parameter(
        False, "The CPU engine's threads wait busily within a frame.", changes="configure"
    )
    warm_up: int = _parameter(1, "Runs of the engine before the first image.", 1, 1000, changes="configure")
    action: str = _parameter("", "What is answered: an action, several (hold,pour), or all (*); empty: wait.")
    image_transport: str = _parameter("raw", "Form of the images.", choices=_TRANSPORTS, changes="start")
    depth_transport: str = _parameter(
        "raw", "Form of the depth images.", choices=(*_TRANSPORTS, "compressedDepth"), changes="start"
    )
    rectified: bool = _parameter(False, "The image is rectified: use P of camera_info, not K and D.")
    image_turn: int = _parameter(
        0,
        "Degrees clockwise that turn the image upright: for a camera that is mounted turned.",
        choices=TURNS,
    )
    image_turn_by_tf: bool = _parameter(
        False,
        "Turn the image by where z of target_frame is up for the camera; image_turn where tf is missing.",
    )
    max_image_pixels: int = _parameter(
        MAX_PIXELS, "A larger image or depth image is refused before it is decoded.", 1, 200_000_000
    )
    max_frame_age: float = _parameter(
        1.0, "An image that came longer ago than this is not answered any more, s; 0: no limit.", 0.0, 1e6
    )
    sync_tolerance: float = _parameter(
        0.02, "Largest difference of the stamps of image and depth, s.", 0.0, 10.0
    )
    sync_wait: float = _parameter(
        0.05, "How long grasp points wait for the depth of their image after inference, s.", 0.0, 1.0
    )
    threshold: float = _grasp_parameter(
        "threshold", "Fraction of the maximum heat from which on a pixel belongs to the part."
    )
    min_confidence: float = _grasp_parameter(
        "min_confidence", "No grasp points for a heatmap of less confidence."
    )
    min_contrast: float = _grasp_parameter(
        "min_contrast", "No grasp points where the peak exceeds the mean heat by a smaller share of the peak."
    )
    min_points: int = _grasp_parameter(
        "min_points", "Pixels that a part needs, and depth measurements that a pose needs."
    )
    max_points: int = _grasp_parameter("max_points", "Most grasp points for an image.")
    gripper_width: float = _grasp_parameter(
        "max_width", "Opening of the gripper, m; wider grasps are left out."
    )
    smoothing: float = _grasp_parameter(
        "smoothing", "Standard deviation of the blur before the threshold, pixels; 0: none."
    )
    window: int = _grasp_parameter(
        "window", "Side of the window whose median depth is the grasp point's, pixels."
    )
    depth_step: float = _grasp_parameter(
        "depth_step", "Largest difference of neighbouring depths on one surface, m."
    )
    support_height: float = _grasp_parameter(
        "support_height", "A part rises above what it lies on by more than this, m."
    )
    steady_frames: int = _parameter(
        1, "Frames that grasp points are averaged over while nothing moves; 1: this frame alone.", 1, 1000
    )
    target_frame: str = _parameter(
        "", "Frame of poses, markers and cloud, by tf2; empty: the camera's.", changes="start"
    )
    cloud_part: bool = _parameter(True, "The cloud has the affording part alone, not all points.")
    cloud_organised: bool = _parameter(
        False, "The cloud has the image's rows and columns, with NaN where there is no point."
    )
    request_timeout: float = _parameter(
        5.0, "How long a request that gives no time waits for its answer, s.", 0.01, MAX_REQUEST_SECONDS
    )
    marker_lifetime: float = _parameter(
        1.0, "Markers vanish when no new ones have come for this time, s; 0: never.", 0.0, 3600.0
    )
    read_only_parameters: str = _parameter(
        "", "Names of parameters that cannot be changed any more, with commas; *: all.", changes="start"
    )
    diagnostics_period: float = _parameter(1.0, "Time between diagnostics, s.", 0.05, 60.0, changes="start")

    @property
    def limit(self) -> PixelLimit:
        """Of images and depth images."""
        return PixelLimit(self.max_image_pixels, "send smaller ones, or raise max_image_pixels")

    @cached_property
    def grasp(self) -> GraspParameters:
        """What the search for grasp points takes of these."""
        names = {"max_width": "gripper_width"}
        return GraspParameters(**{name: getattr(self, names.get(name, name)) for name in _GRASP_FIELDS})


SETTINGS_FIELDS = {each.name: each for each in fields(Settings)}
"""The fields of `Settings` by the parameters' names."""


def checked(name: str, value: Any) -> Any:
    """Return a value as the parameter `name` takes it.

    YAML tells types by how a value looks: a whole number is taken for a fraction (`1`), and as text (a bundle
    called `2024`). Raises ParameterError for another type, a value out of range, or none of the choices.
    """
    default, about = SETTINGS_FIELDS[name].default, SETTINGS_FIELDS[name].metadata
    kind = type(default)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and kind in (float, str):
        value = kind(value)
    if not isinstance(value, kind) or (kind is int and not whole):
        raise ParameterError(f"parameter {name} must be of type {kind.__name__}: {_got(name, kind, value)}")
    if about["choices"] and value not in about["choices"]:
        raise ParameterError(
            f"parameter {name} is {quoted(value)}, must be one of {', '.join(map(str, about['choices']))}"
        )
    # Not NaN either, which no comparison holds for.
    if about["low"] is not None and not about["low"] <= value <= about["high"]:
        raise ParameterError(
            f"parameter {name} is {value!r}, must be from {about['low']:g} to {about['high']:g}"
        )
    return value


def _got(name: str, kind: type, value: Any) -> str:
    if value is None:
        return "it has no value"
    got = f"got {quoted(value)}"
    if kind is str and isinstance(value, bool | float):
        # `on`, `yes` and `true` are one to YAML, and so are 1.1 and 1.10: what was written is lost.
        return f"{got}, for YAML takes it for no text; put it in quotes twice: -p \"{name}:='...'\""
    return got


def read_only(names: str) -> frozenset[str]:
    """Return the parameters that cannot be changed after the start: those that never can, and these names.

    `names` is as in `read_only_parameters`: separated by commas, `*` for all. Raises ParameterError for a
    name that is no parameter.
    """
    given = {name.strip() for name in names.split(",")} - {""}
    if wrong := [
        _with_closest(name) for name in sorted(given - {ALL_PARAMETERS, *SETTINGS_FIELDS})[:MAX_NAMES_SHOWN]
    ]:
        raise ParameterError(f"parameter read_only_parameters: this node has no parameter {', '.join(wrong)}")
    return frozenset(
        name
        for name, each in SETTINGS_FIELDS.items()
        if each.metadata["changes"] == "start" or name in given or ALL_PARAMETERS in given
    )


def unknown(given: Iterable[str]) -> str:
    """Say which of these names are no parameters, and which parameters come closest; "" if there are none.

    What ROS itself takes is left out: `use_sim_time`, `start_type_description_service`, `qos_overrides.…`.
    """
    names = [
        each for each in given if each not in SETTINGS_FIELDS and each.split(".")[0] not in ROS_PARAMETERS
    ]
    described = [_with_closest(name) for name in sorted(names)[:MAX_NAMES_SHOWN]]
    if not described:
        return ""
    more = f" and {len(names) - len(described)} more" if len(names) > len(described) else ""
    return f"this node has no parameter {', '.join(described)}{more}: what is given for it has no effect"


def _with_closest(name: str) -> str:
    """A name that is no parameter, and the parameter that comes closest."""
    close = get_close_matches(name[:100], SETTINGS_FIELDS, n=1, cutoff=0.6)
    return quoted(name) + (f" (did you mean {close[0]}?)" if close else "")
