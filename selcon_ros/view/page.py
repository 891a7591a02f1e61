"""The page: what is made once on it, and what a frame changes."""

from __future__ import annotations

import math
import threading
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.outputs.gripper_drawing import ARROW_LENGTH
from selcon_ros.view import panel
from selcon_ros.view.controls import ActionBoxes, ThresholdSliders
from selcon_ros.view.scene import ActionAnswer, ViewFrame
from selcon_ros.view.shapes import coloured_cloud, grippers, point_size, posed
from selcon_ros.view.sources.base import FrameSource

Picture = NDArray[np.uint8]
JPEG_QUALITY = 80
FRUSTUM_LENGTH = 0.05
"""Metres from the camera to the picture that is drawn in front of it."""
FLAT_FRUSTUM_LENGTH = 1.0
"""The same where there is no cloud."""
LINE_WIDTH = 0.004
"""Metres that a gripper's lines are thick."""
STRIDE_RANGE = (1, 8)
VIEW_ASIDE, VIEW_ABOVE, VIEW_BEHIND = 0.2, 0.55, 0.25
"""Where the scene is first looked at from, as shares of its distance from the camera."""
FIELD_OF_VIEW = 0.95
"""Radians that are seen from top to bottom."""
MAX_POINTS = 500_000
"""In the cloud; of a larger image fewer rows and columns are drawn than are asked for."""
MAX_PICTURE_WIDTH = 1280
"""Pixels of a picture on the page; a larger one is made smaller."""
MAX_LABELS = 100
"""Grippers that have a label, at most."""


class Page:
    """Shows frames to every browser that is connected."""

    def __init__(self, server: Any, source: FrameSource, stride: int) -> None:
        """Make everything that the page has.

        `server` is a `viser.ViserServer`. Every `stride`-th row and column of the image is in the cloud.
        """
        self._server, self._source = server, source
        self._lock = threading.Lock()
        self._last: ViewFrame | None = None
        self._solid: bool | None = None
        self._lines: list[Any] = []
        self._labels: list[Any] = []
        self._make_scene()
        self._make_panel(stride)

    @property
    def wanted(self) -> bool:
        """Whether a browser is connected."""
        return bool(self._server.get_clients())

    def show(self, frame: ViewFrame) -> None:
        """Replace what is shown."""
        with self._lock, self._server.atomic():
            self._last = frame
            self._show_scene(frame)
            self._show_panel(frame)

    def _again(self) -> None:
        """Show the last frame, for something about how it is shown has changed."""
        if self._last is not None:
            self.show(self._last)

    def _make_scene(self) -> None:
        scene = self._server.scene
        scene.set_up_direction("-y")
        scene.world_axes.visible = False
        nothing = np.zeros((1, 3), np.float32)
        self._cloud = scene.add_point_cloud(
            "/cloud",
            nothing,
            np.zeros((1, 3), np.uint8),
            point_size=0.002,
            point_shape="square",
            point_shading="flat",
            precision="float32",
            visible=False,
        )
        self._camera = scene.add_frame("/camera", axes_length=0.04, axes_radius=0.0015)
        self._frustum = scene.add_camera_frustum(
            "/camera/picture", fov=1.0, aspect=4 / 3, scale=FRUSTUM_LENGTH, thickness=0.0012,
            color=(150, 150, 150),
            format="jpeg", jpeg_quality=JPEG_QUALITY, cast_shadow=False, receive_shadow=False,
        )  # fmt: skip
        self._name = scene.add_label("/camera/name", "camera", position=(0.0, -0.03, 0.0))
        self._target = scene.add_frame("/target", axes_length=0.1, axes_radius=0.004, visible=False)
        self._target_name = scene.add_label("/target/name", "")

    def _make_panel(self, stride: int) -> None:
        gui = self._server.gui
        self._status = gui.add_html("")
        tabs = gui.add_tab_group()
        with tabs.add_tab("Answer"):
            self._overlay = gui.add_image(
                np.zeros((3, 4, 3), np.uint8), format="jpeg", jpeg_quality=JPEG_QUALITY
            )
            gui.add_html(panel.legend())
            folder = gui.add_folder("Actions")
            self._boxes = ActionBoxes(gui, folder, self._source)
            with gui.add_folder("Confidence"):
                self._confidences = gui.add_html("")
            with gui.add_folder("Grasp points"):
                self._grasps = gui.add_html("")
        with tabs.add_tab("Settings"):
            with gui.add_folder("Thresholds"):
                self._sliders = ThresholdSliders(gui, self._source)
            with gui.add_folder("Cloud"):
                low, high = STRIDE_RANGE
                self._stride = gui.add_slider(
                    "every n-th pixel", low, high, 1, stride, hint="Higher is faster on slow machines."
                )
                self._stride.on_update(lambda event: self._again() if event.client_id is not None else None)
        with tabs.add_tab("State"):
            with gui.add_folder("Diagnostics"):
                self._diagnostics = gui.add_html("")
            with gui.add_folder("Times"):
                self._times = gui.add_html("")
            with gui.add_folder("About"):
                self._facts = gui.add_html("")

    def _show_scene(self, frame: ViewFrame) -> None:
        stride = max(self._checked_stride(), math.ceil(math.sqrt(frame.image[..., 0].size / MAX_POINTS)))
        points, colours = coloured_cloud(frame, stride)
        self._cloud.visible = len(points) > 0
        if len(points):
            self._cloud.points, self._cloud.colors = points, colours
            self._cloud.point_size = 1.05 * point_size(points, frame, stride)
        if self._solid is None or (len(points) and not self._solid):
            self._solid = len(points) > 0
            self._look(float(np.median(points[:, 2])) if self._solid else 0.0)
        # Where depth is missing for a moment, the picture does not grow.
        self._show_camera(frame, flat=not self._solid)
        self._show_grippers(frame)
        self._show_target(frame)

    def _look(self, distance: float) -> None:
        """Have all browsers look at what lies so far from the camera; 0: at the picture."""
        position, look_at = (0.0, 0.0, 0.02 * FLAT_FRUSTUM_LENGTH), (0.0, 0.0, FLAT_FRUSTUM_LENGTH)
        if distance:
            position = (VIEW_ASIDE * distance, -VIEW_ABOVE * distance, -VIEW_BEHIND * distance)
            look_at = (0.0, 0.0, distance)
        for view in (self._server.initial_camera, *self._cameras()):
            view.fov, view.position, view.look_at = FIELD_OF_VIEW, position, look_at

    def _cameras(self) -> list[Any]:
        return [client.camera for client in self._server.get_clients().values()]

    def _show_camera(self, frame: ViewFrame, flat: bool) -> None:
        height, width = frame.image.shape[:2]
        fy = frame.intrinsics.fy if frame.intrinsics is not None else float(max(height, width))
        self._frustum.fov, self._frustum.aspect = 2 * math.atan(height / (2 * fy)), width / height
        self._camera.show_axes = self._name.visible = not flat
        canonical = self._frustum.compute_canonical_frustum_size()[2]
        self._frustum.scale = (FLAT_FRUSTUM_LENGTH if flat else FRUSTUM_LENGTH) / canonical
        self._frustum.image = _small(frame.answers[0].overlay if flat and frame.answers else frame.image)

    def _show_grippers(self, frame: ViewFrame) -> None:
        scene = self._server.scene
        shown = 0
        for place, answer in enumerate(frame.answers):
            points = posed(answer)
            lines, colours = grippers(points, place)
            if place == len(self._lines):
                self._lines.append(
                    scene.add_line_segments(
                        f"/grasps/{place}",
                        np.zeros((1, 2, 3), np.float32),
                        np.zeros((1, 2, 3), np.uint8),
                        thickness=LINE_WIDTH,
                    )
                )
            self._lines[place].visible = len(lines) > 0
            if len(lines):
                self._lines[place].points, self._lines[place].colors = lines, _linear(colours)
            for point in points[: MAX_LABELS - shown]:
                self._label(shown, panel.grasp_label(answer.action, point), _behind(point))
                shown += 1
        for handle in self._lines[len(frame.answers) :]:
            handle.visible = False
        for handle in self._labels[shown:]:
            handle.visible = False

    def _label(self, number: int, text: str, position: tuple[float, float, float]) -> None:
        if number == len(self._labels):
            self._labels.append(
                self._server.scene.add_label(f"/labels/{number}", text, anchor="bottom-center")
            )
        label = self._labels[number]
        label.text, label.position, label.visible = text, position, True

    def _show_target(self, frame: ViewFrame) -> None:
        self._target.visible = frame.target is not None
        if frame.target is not None:
            x, y, z, w = frame.target.pose.rotation
            self._target.wxyz, self._target.position = (w, x, y, z), frame.target.pose.translation
            self._target_name.text = frame.target.name

    def _show_panel(self, frame: ViewFrame) -> None:
        self._status.content = panel.status(frame)
        self._overlay.image = _small(_side_by_side(frame.answers) if frame.answers else frame.image)
        self._boxes.show(frame)
        self._confidences.content = panel.confidences(frame, self._source.actions)
        self._grasps.content = panel.grasps(frame)
        self._sliders.show(frame)
        self._times.content = panel.times(frame)
        self._diagnostics.content = panel.diagnostics(frame)
        self._facts.content = panel.facts(frame, self._source.title, self._source.model)

    def _checked_stride(self) -> int:
        """The value of the slider, within its range whatever a page has sent."""
        value = self._stride.value
        low, high = STRIDE_RANGE
        return min(max(int(value), low), high) if isinstance(value, int | float) and value == value else high


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colours for lines, which viser 1.1.1 shows brighter than those of points, as if linear."""
    return np.rint(255 * (colours / 255) ** 2.2).astype(np.uint8)


def _behind(point: Any) -> tuple[float, float, float]:
    """Where the arm of a gripper begins: its label stands there."""
    start = Rigid(point.orientation, point.position).points(np.array([[0.0, 0.0, -ARROW_LENGTH - 0.01]]))[0]
    return float(start[0]), float(start[1]), float(start[2])


def _small(picture: Picture) -> Picture:
    """Return a picture that is at most `MAX_PICTURE_WIDTH` pixels wide."""
    height, width = picture.shape[:2]
    if width <= MAX_PICTURE_WIDTH:
        return picture
    size = (MAX_PICTURE_WIDTH, max(1, round(height * MAX_PICTURE_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _side_by_side(answers: tuple[ActionAnswer, ...]) -> Picture:
    """Return the overlays of the answers as one picture, two in a row."""
    pictures = [answer.overlay for answer in answers]
    if len(pictures) == 1:
        return pictures[0]
    if len(pictures) % 2:
        pictures.append(np.zeros_like(pictures[0]))
    small = [picture[::2, ::2] for picture in pictures]
    rows = [np.concatenate(small[start : start + 2], axis=1) for start in range(0, len(small), 2)]
    return np.concatenate(rows)
