"""A short RGB-D recording with its truth: one mcap file that rosbag2 and Foxglove open too, and truth.json.

Topics: `/camera/image/compressed` (JPEG), `/camera/depth/compressed` (PNG, format "16UC1; png",
millimetres), `/camera/camera_info`, and `/truth/parts/compressed` (PNG, mono8): per pixel the number of the
object part seen there, 0 for none. truth.json names the parts. Needs the `demo` extra (rosbags).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.distortion import distortion_from, model_and_coefficients
from selcon_ros.core.errors import CameraError, SelconError, first_line
from selcon_ros.core.files.atomic_write import writing
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.mcap_bounds import check_mcap

BAG_NAME = "recording.mcap"
TRUTH_NAME = "truth.json"
FRAME_ID = "camera_color_optical_frame"

IMAGE = "/camera/image/compressed"
DEPTH = "/camera/depth/compressed"
CAMERA_INFO = "/camera/camera_info"
PARTS = "/truth/parts/compressed"

_COMPRESSED = "sensor_msgs/msg/CompressedImage"
_TYPES = {
    IMAGE: _COMPRESSED, DEPTH: _COMPRESSED, PARTS: _COMPRESSED, CAMERA_INFO: "sensor_msgs/msg/CameraInfo"
}  # fmt: skip
_PART_NUMBERS = frozenset(map(str, range(1, 256)))
_MAX_NAME = 100
"""Characters of a name in truth.json."""
MAX_DECODED_BYTES = 4 << 30
"""Bytes of all frames together, which are held in memory."""
MAX_FRAMES = 20_000
_JPEG_QUALITY = 92
_LAYOUT = f"A recording is a folder with {BAG_NAME} and {TRUTH_NAME}."


class RecordingError(SelconError):
    """A recording that is missing, damaged or contradicts itself."""


@dataclass(frozen=True)
class PartLabel:
    """What one number of the truth map means."""

    object: str
    part: str
    action: str


@dataclass(frozen=True)
class RecordedFrame:
    """One camera frame with its truth; all arrays have the image's height and width.

    stamp_ns: time in nanoseconds; image: H×W×3 uint8 RGB; depth_mm: H×W uint16, distance along the optical
    axis in millimetres, 0 where unknown; labels: H×W uint8, numbers of `Recording.labels`, 0 for none.
    """

    stamp_ns: int
    image: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    intrinsics: Intrinsics
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Recording:
    """Frames in time order, and the meaning of their truth maps' numbers."""

    frames: list[RecordedFrame]
    labels: dict[int, PartLabel]

    @property
    def actions(self) -> list[str]:
        """The actions that some part in the truth affords, in the order of the part numbers."""
        return list(dict.fromkeys(label.action for _, label in sorted(self.labels.items())))

    def part_mask(self, frame: RecordedFrame, action: str) -> NDArray[np.bool_]:
        """H×W: the pixels of every part that affords `action`."""
        numbers = [number for number, label in self.labels.items() if label.action == action]
        return np.isin(frame.labels, numbers)


def default_recording() -> Path:
    """The folder of the recording that comes with the package."""
    return Path(__file__).parent / "assets" / "demo"


def write_recording(folder: Path, frames: Iterable[RecordedFrame], labels: dict[int, PartLabel]) -> None:
    """Write recording.mcap and truth.json into `folder`, replacing what was there.

    Raises RecordingError where a frame's arrays differ in size or its truth map has a number that `labels`
    lacks, and where it cannot be written: what was there then stays.
    """
    from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
    from rosbags.rosbag2.enums import CompressionFormat

    folder = Path(folder)
    truth = {"labels": {str(number): asdict(label) for number, label in sorted(labels.items())}}
    store = _typestore()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch, writing(folder / TRUTH_NAME) as stream:
            bag = Path(scratch) / "recording"
            writer = Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP)
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with writer:
                connections = {
                    topic: writer.add_connection(topic, kind, typestore=store)
                    for topic, kind in _TYPES.items()
                }
                for frame in frames:
                    _check(frame, labels)
                    for topic, message in _messages(frame, store):
                        data = store.serialize_cdr(message, _TYPES[topic])
                        writer.write(connections[topic], frame.stamp_ns, data)
            stream.write((json.dumps(truth, indent=2) + "\n").encode())
            stream.flush()
            (bag / BAG_NAME).replace(folder / BAG_NAME)
    except OSError as error:
        raise RecordingError(f"cannot write the recording {folder}: {error.strerror or error}") from error


def read_recording(folder: Path) -> Recording:
    """Read and decode a whole recording.

    Raises RecordingError where a file is missing or damaged, or a frame lacks one of its four messages.
    """
    folder = Path(folder)
    labels = _read_labels(folder / TRUTH_NAME)
    stamps: dict[int, dict[str, Any]] = {}
    for topic, message in _read_messages(folder / BAG_NAME):
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        stamps.setdefault(stamp, {})[topic] = message
        if len(stamps) > MAX_FRAMES:
            raise RecordingError(f"{folder / BAG_NAME} has over {MAX_FRAMES} frames. Record a shorter one.")
    if not stamps:
        raise RecordingError(f"{folder / BAG_NAME} holds no camera frame. Record it again.")
    frames, size = [], 0
    for stamp, messages in sorted(stamps.items()):
        frame = _decode(stamp, messages, folder)
        _check(frame, labels)
        size += frame.image.nbytes + frame.depth_mm.nbytes + frame.labels.nbytes
        if size > MAX_DECODED_BYTES:
            limit = f"{MAX_DECODED_BYTES >> 20} MB"
            raise RecordingError(f"the frames of {folder} take over {limit}. Record a shorter one.")
        frames.append(frame)
    return Recording(frames, labels)


def _typestore() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_JAZZY)


def _check(frame: RecordedFrame, labels: dict[int, PartLabel]) -> None:
    size = (frame.intrinsics.height, frame.intrinsics.width)
    for name, array in (("image", frame.image), ("depth", frame.depth_mm), ("labels", frame.labels)):
        if array.shape[:2] != size:
            raise RecordingError(
                f"{name} of frame {frame.stamp_ns} is {array.shape[1]}×{array.shape[0]}, its camera is "
                f"{size[1]}×{size[0]} pixels. All must have one size."
            )
    unknown = sorted({int(n) for n in np.unique(frame.labels)} - {0} - set(labels))
    if unknown:
        raise RecordingError(
            f"the truth map of frame {frame.stamp_ns} uses part numbers {unknown}, "
            f"which {TRUTH_NAME} does not name."
        )


def _messages(frame: RecordedFrame, store: Any) -> Iterator[tuple[str, Any]]:
    types = store.types
    seconds, nanoseconds = divmod(frame.stamp_ns, 1_000_000_000)
    stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=FRAME_ID)

    def compressed(encoding: str, extension: str, array: NDArray[Any], options: tuple[int, ...] = ()) -> Any:
        _, data = cv2.imencode(extension, array, list(options))
        return types[_COMPRESSED](header=header, format=encoding, data=data.reshape(-1))

    bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    yield IMAGE, compressed("jpeg", ".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    yield DEPTH, compressed("16UC1; png", ".png", frame.depth_mm, (cv2.IMWRITE_PNG_COMPRESSION, 9))
    yield PARTS, compressed("mono8; png", ".png", frame.labels, (cv2.IMWRITE_PNG_COMPRESSION, 9))

    camera = frame.intrinsics
    model, coefficients = model_and_coefficients(camera.distortion)
    k = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1], dtype=np.float64)
    p = np.insert(k, [3, 6, 9], 0.0)
    region = types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    yield CAMERA_INFO, types["sensor_msgs/msg/CameraInfo"](
        header=header, height=camera.height, width=camera.width, distortion_model=model,
        d=np.array(coefficients), k=k, r=np.eye(3).reshape(-1), p=p, binning_x=0, binning_y=0, roi=region,
    )  # fmt: skip


def _read_messages(path: Path) -> Iterator[tuple[str, Any]]:
    from rosbags.rosbag2 import Reader

    if not path.is_file():
        raise RecordingError(f"no recording at {path}. {_LAYOUT}")
    store = _typestore()
    try:
        check_mcap(path, RecordingError)
        with Reader(path) as reader:
            wanted = [connection for connection in reader.connections if connection.topic in _TYPES]
            for each in wanted:
                if each.msgtype != _TYPES[each.topic]:
                    raise RecordingError(
                        f"{path} has {each.msgtype[:80]} on {each.topic}, it must be {_TYPES[each.topic]}."
                    )
            for connection, _, data in reader.messages(wanted) if wanted else ():
                yield connection.topic, store.deserialize_cdr(data, connection.msgtype)
    except RecordingError:
        raise
    except Exception as error:  # the reader lets struct, zstd and assertion errors through beside its own
        raise RecordingError(
            f"{path} cannot be read as a recording ({type(error).__name__}: {first_line(error)}). Is it "
            "complete?"
        ) from error


def _decode(stamp: int, messages: dict[str, Any], folder: Path) -> RecordedFrame:
    missing = [topic for topic in (IMAGE, DEPTH, CAMERA_INFO, PARTS) if topic not in messages]
    if missing:
        raise RecordingError(f"frame {stamp} of {folder} has no message on {', '.join(missing)}.")
    info = messages[CAMERA_INFO]
    try:
        intrinsics = Intrinsics(
            float(info.k[0]),
            float(info.k[4]),
            float(info.k[2]),
            float(info.k[5]),
            int(info.width),
            int(info.height),
            distortion_from(str(info.distortion_model), info.d),
        )
    except CameraError as error:
        raise RecordingError(f"frame {stamp} of {folder}: {error}") from None

    def picture(topic: str, flags: int, kind: type[np.generic], dimensions: int) -> NDArray[Any]:
        name = f"the picture on {topic} of frame {stamp} in {folder}"
        array = decode(bytes(messages[topic].data), name, flags, RecordingError, turn=False)
        if array.dtype != kind or array.ndim != dimensions:
            raise RecordingError(
                f"{name} decodes to {array.dtype} with shape {array.shape}: it must have {dimensions} "
                f"dimensions of {kind.__name__}"
            )
        return array

    bgr = picture(IMAGE, cv2.IMREAD_COLOR, np.uint8, 3)
    return RecordedFrame(
        stamp_ns=stamp,
        image=cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False),
        depth_mm=picture(DEPTH, cv2.IMREAD_UNCHANGED, np.uint16, 2),
        intrinsics=intrinsics,
        labels=picture(PARTS, cv2.IMREAD_UNCHANGED, np.uint8, 2),
    )


def _read_labels(path: Path) -> dict[int, PartLabel]:
    if not path.exists():
        raise RecordingError(f"no truth at {path}. {_LAYOUT}")
    entries = read_object(path, RecordingError).get("labels")
    labels = entries.items() if isinstance(entries, dict) else [("", None)]
    found = {int(number): _label(entry) for number, entry in labels if number in _PART_NUMBERS}
    if len(found) < len(labels) or None in found.values():
        raise RecordingError(
            f'{path} is not of the form {{"labels": {{"1": {{"object": …, "part": …, "action": …}}}}}}, with '
            f"numbers from 1 to {len(_PART_NUMBERS)} and names of at most {_MAX_NAME} characters."
        )
    return {number: label for number, label in found.items() if label is not None}


def _label(entry: object) -> PartLabel | None:
    """The label of an entry of truth.json, None where it is none."""
    names = [entry.get(name) for name in ("object", "part", "action")] if isinstance(entry, dict) else []
    texts = [
        name for name in names if isinstance(name, str) and name.isprintable() and len(name) <= _MAX_NAME
    ]
    return PartLabel(*texts) if len(texts) == 3 else None
