"""Frames as a recording for rerun, in a file.

rerun's viewer is not started: it asks hosts outside for fonts, and sends statistics unless it is told not to.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from numpy.typing import NDArray

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.outputs.gripper_drawing import ARROW_LENGTH, FINGER_LENGTH, UNKNOWN_WIDTH
from selcon_ros.core.text import one_line
from selcon_ros.view.panel import grasp_label
from selcon_ros.view.scene import ActionAnswer, ViewFrame
from selcon_ros.view.shapes import colour_of, coloured_cloud, point_size, posed

log = logging.getLogger(__name__)
MAX_FILE_BYTES = 4 << 30
"""Of a file: what comes later is left out."""
MIN_FREE_DISK_BYTES = 256 << 20
"""Of the disk, which stay free: rerun does not say when it is full."""
FLUSH_SECONDS = 0.5
"""Seconds after which what was logged is on its way to the file: rerun collects for a shorter time."""
CLOSE_SECONDS = 10.0
"""Seconds that the end of a file may take."""
HAND_THICKNESS = 0.004
"""Metres that fingers and palm are thick."""
FADED_ALPHA = 110
"""Opacity of all but the best grasp, of 255."""
JPEG_QUALITY = 85
WORLD, CAMERA = "world", "world/camera"
LOG_LEVELS = {"ok": "INFO", "warning": "WARN", "error": "ERROR"}


class RerunLog:
    """Writes frames into a file for rerun.

    The world is the camera's optical frame. An image is written once for the same actions and thresholds: a
    recording that is played again adds nothing.
    """

    def __init__(self, file: Path, stride: int) -> None:
        """Begin a file.

        `file` is a new one, `.rrd`. Every `stride`-th row and column of the image is in the cloud. Raises
        SelconError for another name, and a file that exists or cannot be written.
        """
        self._file, self._stride = _checked(file), stride
        self._rec = rr.RecordingStream("selcon_view")
        try:
            self._rec.save(file)
        except RuntimeError as error:  # a full disk
            file.unlink(missing_ok=True)
            raise SelconError(f"--rerun {file} cannot be written: {one_line(str(error), 200)}") from error
        self._rec.log(WORLD, rr.ViewCoordinates.RDF, static=True)
        self._full = False
        self._problems: set[tuple[str, str]] = set()
        self._shown: dict[str, set[str]] = {}
        self._last: tuple[Any, ...] = ()
        self._newest = -np.inf

    @property
    def wanted(self) -> bool:
        """Whether there is room left."""
        return not self._full

    def show(self, frame: ViewFrame) -> None:
        """Write a frame."""
        how = (frame.asked, frame.thresholds)
        if self._full or (how == self._last and frame.stamp <= self._newest):
            return
        self._newest = max(self._newest, frame.stamp) if how == self._last else frame.stamp
        if not self._last or self._last[0] != frame.asked:
            self._rec.send_blueprint(_blueprint(frame.asked))
        self._last = how
        self._rec.set_time("frame", sequence=frame.number)
        self._rec.set_time("stamp", timestamp=frame.stamp)
        self._log_camera(frame)
        self._log_cloud(frame)
        self._log_answers(frame)
        self._log_state(frame)
        if why := self._no_room():
            self._full = True
            self._say("warning", f"{self._file} {why}: nothing more is written")
            log.warning("--rerun %s %s: nothing more is written", self._file, why)

    def close(self) -> None:
        """End the file. Raises SelconError where it could not be written to its end."""
        self._settle()
        ended = threading.Event()

        def end() -> None:
            with suppress(RuntimeError):
                self._rec.flush(timeout_sec=CLOSE_SECONDS)
                self._rec.disconnect()
                ended.set()

        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        thread.join(CLOSE_SECONDS)
        if not ended.is_set():
            raise SelconError(f"--rerun {self._file} could not be written to its end: is the disk full?")

    def _settle(self) -> None:
        """Wait until the file grows no more: flushing while its writer fails may never return."""
        end, before, size = time.monotonic() + CLOSE_SECONDS, -1, self._file.stat().st_size
        while size != before and time.monotonic() < end:
            time.sleep(FLUSH_SECONDS)
            before, size = size, self._file.stat().st_size

    def _no_room(self) -> str:
        """Why no more is to be written; "" if it is."""
        if self._file.exists() and self._file.stat().st_size > MAX_FILE_BYTES:
            return f"has {MAX_FILE_BYTES >> 30} GiB"
        if shutil.disk_usage(self._file.parent).free < MIN_FREE_DISK_BYTES:
            return f"is on a disk with less than {MIN_FREE_DISK_BYTES >> 20} MiB left"
        return ""

    def _log_camera(self, frame: ViewFrame) -> None:
        height, width = frame.image.shape[:2]
        if (lens := frame.intrinsics) is not None:
            matrix: Any = [[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]]
            pinhole = rr.Pinhole(image_from_camera=matrix, resolution=[width, height])
            self._rec.log(CAMERA, pinhole)
        self._rec.log(f"{CAMERA}/image", _jpeg(frame.image))
        if self._there("depth", {f"{CAMERA}/depth"} if frame.depth is not None else set()):
            assert frame.depth is not None
            self._rec.log(f"{CAMERA}/depth", rr.DepthImage(_millimetres(frame.depth), meter=1000.0))
        if self._there("target", {f"{WORLD}/target"} if frame.target is not None else set()):
            assert frame.target is not None
            pose, axes = frame.target.pose, 0.1 * np.eye(3)
            place = rr.Transform3D(translation=pose.translation, quaternion=rr.Quaternion(xyzw=pose.rotation))
            arrows = rr.Arrows3D(vectors=axes, colors=(255 * np.eye(3)).astype(np.uint8))
            self._rec.log(f"{WORLD}/target", place, arrows)

    def _log_cloud(self, frame: ViewFrame) -> None:
        points, colours = coloured_cloud(frame, self._stride)
        if self._there("cloud", {f"{WORLD}/cloud"} if len(points) else set()):
            radius = 0.5 * point_size(points, frame, self._stride)
            self._rec.log(f"{WORLD}/cloud", rr.Points3D(points, colors=colours, radii=radius))

    def _log_answers(self, frame: ViewFrame) -> None:
        paths = {
            kind: [f"{parent}/{kind}/{_path_part(action)}" for action in frame.asked]
            for kind, parent in ACTION_ENTITIES
        }
        for kind, each in paths.items():
            self._there(kind, set(each))
        for place, answer in enumerate(frame.answers):
            heat = np.rint(255 * answer.heatmap.values).astype(np.uint8)
            self._rec.log(paths["heatmap"][place], rr.Image(heat, "L"))
            self._rec.log(paths["overlay"][place], _jpeg(answer.overlay))
            self._log_grasps(paths["grasps"][place], answer, place)

    def _log_grasps(self, path: str, answer: ActionAnswer, place: int) -> None:
        points = posed(answer)
        poses = [Rigid(point.orientation, point.position) for point in points]  # type: ignore[arg-type]
        colours = [(*colour_of(place), FADED_ALPHA if number else 255) for number in range(len(points))]
        back = np.array([[0.0, 0.0, -ARROW_LENGTH]])
        starts = np.array([pose.points(back)[0] for pose in poses]).reshape(-1, 3)
        ends = np.array([pose.translation for pose in poses]).reshape(-1, 3)
        labels = [grasp_label(answer.action, point) for point in points]
        approach = rr.Arrows3D(
            origins=starts, vectors=ends - starts, colors=colours, labels=labels, radii=HAND_THICKNESS / 2
        )
        self._rec.log(f"{path}/approach", approach)
        centers, halves, turns = [], [], []
        for point, pose in zip(points, poses, strict=True):
            half = 0.5 * (UNKNOWN_WIDTH if point.width is None else point.width)
            middle = -0.5 * FINGER_LENGTH
            centers += pose.points(
                np.array([[-half, 0, middle], [half, 0, middle], [0, 0, 2 * middle]])
            ).tolist()
            finger, palm = (
                [HAND_THICKNESS / 2, HAND_THICKNESS / 2, -middle],
                [half, HAND_THICKNESS / 2, HAND_THICKNESS / 2],
            )
            halves += [finger, finger, palm]
            turns += 3 * [pose.rotation]
        boxes = rr.Boxes3D(
            centers=np.array(centers).reshape(-1, 3),
            half_sizes=np.array(halves).reshape(-1, 3),
            quaternions=np.array(turns).reshape(-1, 4),
            colors=[colour for colour in colours for _ in range(3)],
        )
        self._rec.log(f"{path}/gripper", boxes)

    def _log_state(self, frame: ViewFrame) -> None:
        for action, confidence in frame.confidences.items():
            self._rec.log(f"confidence/{_path_part(action)}", rr.Scalars(confidence))
        for name, milliseconds in frame.times.items():
            self._rec.log(f"milliseconds/{_path_part(name)}", rr.Scalars(milliseconds))
        problems: set[tuple[str, str]] = {(each.level, each.text) for each in frame.diagnostics}
        for level, text in sorted(problems - self._problems):
            self._say(level, text)
        self._problems = problems

    def _say(self, level: str, text: str) -> None:
        self._rec.log("diagnostics", rr.TextLog(one_line(text), level=LOG_LEVELS[level]))

    def _there(self, kind: str, paths: set[str]) -> set[str]:
        """Take away what is not there any more of a kind of entity, and return what is."""
        for path in self._shown.get(kind, set()) - paths:
            self._rec.log(path, rr.Clear(recursive=True))
        self._shown[kind] = paths
        return paths


ACTION_ENTITIES = (("heatmap", CAMERA), ("overlay", CAMERA), ("grasps", WORLD))
"""What there is of each action, and below which entity."""


def _checked(path: Path) -> Path:
    if path.suffix != ".rrd":
        raise SelconError(
            f"--rerun {one_line(str(path), 200)} is no name of a recording: it must end in .rrd"
        )
    try:
        path.open("xb").close()
    except FileExistsError:
        raise SelconError(f"--rerun {path} exists: delete it, or choose another name") from None
    except OSError as error:
        raise SelconError(f"--rerun {path} cannot be written: {error.strerror}") from error
    return path


def _blueprint(actions: tuple[str, ...]) -> Any:
    """How a viewer shows it. The depth image would be a second cloud beside the coloured one."""
    pictures = [
        rrb.Spatial2DView(
            origin=f"{CAMERA}/{kind}/{_path_part(action)}", name=f"{kind} {one_line(action, 60)}"
        )
        for kind in ("overlay", "heatmap")
        for action in actions
    ]
    pictures.append(rrb.Spatial2DView(origin=f"{CAMERA}/depth", name="depth"))
    hidden = [f"- {CAMERA}/{kind}/**" for kind in ("depth", "heatmap", "overlay")]
    scene = rrb.Spatial3DView(origin=WORLD, contents=["$origin/**", *hidden])
    below = rrb.Horizontal(
        rrb.TimeSeriesView(origin="confidence", name="confidence"),
        rrb.TimeSeriesView(origin="milliseconds", name="milliseconds"),
        rrb.TextLogView(origin="diagnostics", name="diagnostics"),
    )
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(scene, rrb.Tabs(*pictures)), below, row_shares=[3, 1]),
        auto_views=False,
        collapse_panels=True,
    )


def _path_part(name: str) -> str:
    """A name as one part of an entity's path."""
    return str(rr.escape_entity_path_part(one_line(name, 60)))


def _jpeg(picture: NDArray[np.uint8]) -> Any:
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)[1]
    return rr.EncodedImage(contents=data.tobytes(), media_type="image/jpeg")


def _millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Depth in metres as whole millimetres; 0 where there is none, or more than 65 m."""
    known = np.isfinite(depth) & (depth > 0) & (depth < 65.5)
    found: NDArray[np.uint16] = np.rint(1000 * np.where(known, depth, 0)).astype(np.uint16)
    return found
