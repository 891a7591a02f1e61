"""The node's parameters: one typed table with default, range and description, declared on the node."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from selcon_ros.backends.base import BACKENDS
from selcon_ros.backends.choose import AUTO
from selcon_ros.core.bundle import PRECISIONS
from selcon_ros.core.errors import ParameterError
from selcon_ros.core.grasp import GraspParameters


def _parameter(
    default: Any,
    description: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    about = {"description": description, "low": low, "high": high, "choices": choices, "read_only": read_only}
    return field(default=default, metadata=about)


_GRASP = GraspParameters()
_TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class Settings:
    """All parameters at one moment. A read-only one is fixed at start, every other can be set at any time."""

    bundle: str = _parameter("", "Model bundle, a folder or .zip; empty: the packaged one.", read_only=True)
    backend: str = _parameter(
        "auto",
        "Inference engine; auto: the fastest that runs here and agrees with fp32.",
        choices=(AUTO, *BACKENDS),
        read_only=True,
    )
    precision: str = _parameter(
        "auto",
        "Of the model; auto: fp16 on a GPU, on a CPU int8 where the bundle has it.",
        choices=PRECISIONS,
        read_only=True,
    )
    build_engine: bool = _parameter(
        True, "Build a GPU's engine that is missing, which may take minutes.", read_only=True
    )
    engine_cache: str = _parameter("", "Folder of built engines; empty: the user's cache.", read_only=True)
    device: int = _parameter(0, "Number of the GPU.", 0, 64, read_only=True)
    threads: int = _parameter(
        0, "Threads of the engine on the CPU; 0: one per core.", 0, 256, read_only=True
    )
    cores: str = _parameter(
        "", "CPU cores of the engine's threads, such as 0,2-5; empty: all.", read_only=True
    )
    spinning: bool = _parameter(
        False, "The CPU engine's threads wait busily within a frame.", read_only=True
    )
    warm_up: int = _parameter(1, "Runs of the engine before the first image.", 1, 1000, read_only=True)
    action: str = _parameter("", "Action to begin with; empty: wait for the topic.", read_only=True)
    image_transport: str = _parameter("raw", "Type of the image topic.", choices=_TRANSPORTS, read_only=True)
    depth_transport: str = _parameter("raw", "Type of the depth topic.", choices=_TRANSPORTS, read_only=True)
    rectified: bool = _parameter(False, "The image is rectified: use P of camera_info, not K and D.")
    max_frame_age: float = _parameter(
        1.0, "An image that came longer ago than this is not answered any more, s; 0: no limit.", 0.0, 1e6
    )
    sync_tolerance: float = _parameter(
        0.02, "Largest difference of the stamps of image and depth, s.", 0.0, 10.0
    )
    sync_wait: float = _parameter(
        0.05, "How long grasp points wait for the depth of their image after inference, s.", 0.0, 1.0
    )
    threshold: float = _parameter(
        _GRASP.threshold, "Fraction of the maximum heat from which on a pixel belongs to the part.", 0.01, 1.0
    )
    min_confidence: float = _parameter(
        _GRASP.min_confidence, "No grasp points for a heatmap of less confidence.", 0.0, 1.0
    )
    min_contrast: float = _parameter(
        _GRASP.min_contrast, "No grasp points where the part is hotter than the rest by less.", 0.0, 1.0
    )
    min_points: int = _parameter(
        _GRASP.min_points, "Pixels that a part needs, and depth measurements that a pose needs.", 3, 100000
    )
    max_points: int = _parameter(_GRASP.max_points, "Most grasp points for an image.", 1, 100)
    gripper_width: float = _parameter(
        _GRASP.max_width, "Opening of the gripper, m; wider grasps are left out.", 0.001, 2.0
    )
    smoothing: float = _parameter(
        _GRASP.smoothing, "Standard deviation of the blur before the threshold, pixels; 0: none.", 0.0, 50.0
    )
    window: int = _parameter(
        _GRASP.window, "Side of the window whose median depth is the grasp point's, pixels.", 1, 101
    )
    depth_step: float = _parameter(
        _GRASP.depth_step, "Largest difference of neighbouring depths on one surface, m.", 0.0001, 10.0
    )
    support_height: float = _parameter(
        _GRASP.support_height, "A part rises above what it lies on by more than this, m.", 0.0001, 10.0
    )
    marker_lifetime: float = _parameter(
        1.0, "Markers vanish when no new ones have come for this time, s; 0: never.", 0.0, 3600.0
    )
    diagnostics_period: float = _parameter(1.0, "Time between diagnostics, s.", 0.05, 60.0, read_only=True)

    @property
    def grasp(self) -> GraspParameters:
        """What the grasp search takes of these."""
        return GraspParameters(
            threshold=self.threshold,
            min_confidence=self.min_confidence,
            min_contrast=self.min_contrast,
            min_points=self.min_points,
            max_points=self.max_points,
            max_width=self.gripper_width,
            smoothing=self.smoothing,
            window=self.window,
            depth_step=self.depth_step,
            support_height=self.support_height,
        )


def descriptors() -> dict[str, ParameterDescriptor]:
    """The ROS descriptor of every parameter, by name, in the order of the table."""
    found = {}
    for each in fields(Settings):
        about = each.metadata
        descriptor = ParameterDescriptor(name=each.name, read_only=about["read_only"])
        descriptor.description = about["description"]
        if about["choices"]:
            descriptor.additional_constraints = f"one of {', '.join(about['choices'])}"
        if isinstance(each.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(about["low"]), to_value=float(about["high"]), step=0.0)
            ]
        elif isinstance(each.default, int) and not isinstance(each.default, bool):
            descriptor.integer_range = [IntegerRange(from_value=about["low"], to_value=about["high"], step=1)]
        found[each.name] = descriptor
    return found


def declare(node: Node) -> Settings:
    """Declare every parameter on a node and validate what was given at start.

    :raises ParameterError: for a wrong type, a value out of range, or none of the choices
    """
    defaults = {each.name: each.default for each in fields(Settings)}
    for name, descriptor in descriptors().items():
        try:
            node.declare_parameter(name, defaults[name], descriptor)
        except InvalidParameterTypeException as error:
            wanted = type(defaults[name]).__name__
            raise ParameterError(f"parameter {name} must be of type {wanted}: {error}") from error
        except InvalidParameterValueException as error:
            raise ParameterError(f"parameter {name}: {error}") from error
    reason = _objection([node.get_parameter(name) for name in defaults])
    if reason:
        raise ParameterError(reason)
    node.add_on_set_parameters_callback(_on_set)
    return read(node)


def read(node: Node) -> Settings:
    """The parameters as they are now."""
    return Settings(**{each.name: node.get_parameter(each.name).value for each in fields(Settings)})


def _on_set(parameters: list[Parameter[Any]]) -> SetParametersResult:
    reason = _objection(parameters)
    return SetParametersResult(successful=not reason, reason=reason)


def _objection(parameters: list[Parameter[Any]]) -> str:
    """What is wrong with a value of a fixed choice; types and ranges ROS checks itself."""
    choices = {each.name: each.metadata["choices"] for each in fields(Settings)}
    for parameter in parameters:
        allowed = choices.get(parameter.name, ())
        if allowed and parameter.value not in allowed:
            return f"parameter {parameter.name} is '{parameter.value}', must be one of {', '.join(allowed)}"
    return ""
