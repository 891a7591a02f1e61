"""What a viewer shows at one moment: made by a source, not changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.core.grasps.grasp_result import GraspResult
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.grounding.heatmap import Heatmap

DiagnosticLevel = Literal["ok", "warning", "error"]

_DEFAULTS = GraspParameters()


@dataclass(frozen=True)
class Thresholds:
    """The limits of grasp points that a viewer can change, by the names of the node's parameters.

    gripper_width is in metres. Raises ParameterError as `GraspParameters` does.
    """

    threshold: float = _DEFAULTS.threshold
    min_confidence: float = _DEFAULTS.min_confidence
    min_contrast: float = _DEFAULTS.min_contrast
    gripper_width: float = _DEFAULTS.max_width

    def __post_init__(self) -> None:
        self.grasp()

    def grasp(self) -> GraspParameters:
        """Return what the search for grasp points takes of these."""
        return GraspParameters(
            threshold=self.threshold,
            min_confidence=self.min_confidence,
            min_contrast=self.min_contrast,
            max_width=self.gripper_width,
        )


@dataclass(frozen=True)
class Diagnostic:
    """One line about the state of what is shown."""

    level: DiagnosticLevel
    text: str


@dataclass(frozen=True)
class TargetFrame:
    """Another frame that poses are wanted in: its name, and where it lies in the camera's optical frame."""

    name: str
    pose: Rigid


@dataclass(frozen=True)
class ActionAnswer:
    """What an image says of one action that is asked for.

    heatmap: has the action's name, the values [H, W] and the confidence. overlay: [H, W, 3] uint8, RGB.
    grasps: poses are in the camera's optical frame. note: what else there is to say of them, where the source
    does not tell it of each.
    """

    heatmap: Heatmap
    grasps: GraspResult
    overlay: NDArray[np.uint8]
    note: str = ""

    @property
    def action(self) -> str:
        """The action's name."""
        return self.heatmap.action


@dataclass(frozen=True)
class ViewFrame:
    """One image with everything that is shown of it.

    number: counts the frames of a source, from 1. stamp: when the image was taken, in seconds. frame_id: of
    the camera. image: [H, W, 3] uint8, RGB. depth: [H, W] float32 in metres, registered to the image; with
    `intrinsics`, or both None. answers: of the actions that are asked for, in their order. confidences: by
    action, of all actions whose confidence is known. thresholds: that the answers were made with. times: how
    long the parts of the work took, in milliseconds. target: None where poses are wanted in the camera's
    frame.
    """

    number: int
    stamp: float
    frame_id: str
    image: NDArray[np.uint8]
    depth: NDArray[np.float32] | None
    intrinsics: Intrinsics | None
    answers: tuple[ActionAnswer, ...]
    confidences: Mapping[str, float]
    thresholds: Thresholds
    times: Mapping[str, float] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    target: TargetFrame | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """The actions that are asked for."""
        return tuple(answer.action for answer in self.answers)
