"""cv_bridge converts raw images where it works and agrees with this package's own conversions.

Its compiled module is tied to one numpy and one OpenCV, and where they do not fit, importing it may end the
process: it is tried in another process first. (The package of this name on PyPI is ROS 1's.)
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Collection
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from selcon_ros.core.machine.python_trial import try_python
from selcon_ros.core.text import one_line
from selcon_ros.ros.conversions import ENCODINGS, Pixels, fill_image, image_from_message

TRIAL_SECONDS = 20.0
"""After which cv_bridge's trial is given up."""
_TRIED_ENCODINGS = tuple(name for name in ENCODINGS if name.endswith("8") or name.startswith(("yu", "uy")))
_RESULT = "cv_bridge agrees on: "


class Bridge:
    """Converts what cv_bridge and this package convert to equal pixels."""

    def __init__(self, bridge: Any, encodings: Collection[str]) -> None:
        self._bridge = bridge
        self._encodings = frozenset(encodings)

    def __call__(self, message: Image) -> Pixels | None:
        """The image as H x W x 3 uint8, RGB, or None if it is not for cv_bridge: an encoding on which the two
        do not agree, or rows with padding, which it misreads where a pixel does not divide the step."""
        if message.encoding not in self._encodings or message.is_bigendian:
            return None
        if message.step != message.width * _bytes_of(message.encoding):
            return None
        try:
            pixels = np.asarray(self._bridge.imgmsg_to_cv2(message, "rgb8"))
        except Exception:  # whatever a compiled module throws
            return None
        right = pixels.dtype == np.uint8 and pixels.shape == (message.height, message.width, 3)
        return pixels if right else None


def find_bridge(seconds: float = TRIAL_SECONDS) -> tuple[Bridge | None, str]:
    """Return cv_bridge, and in words who converts raw images and why; None where it cannot be used."""
    mine = "raw images are converted by this package: cv_bridge"
    if importlib.util.find_spec("cv_bridge") is None:
        return None, f"{mine} is not installed"
    encodings, fault = _try_out(seconds)
    if not encodings:
        return None, f"{mine} {fault}"
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
    except Exception as error:
        return None, f"{mine} cannot be imported: {one_line(str(error), 200)}"
    return Bridge(bridge, encodings), f"raw images are converted by cv_bridge: {', '.join(encodings)}"


def _try_out(seconds: float) -> tuple[list[str], str]:
    """The encodings on which another process found that both agree; if none, what is wrong with cv_bridge."""
    lines, fault = try_python(f"from {__name__} import trial; trial()", seconds)
    if lines is None:
        return [], fault
    found = next((line for line in reversed(lines) if line.startswith(_RESULT)), None)
    if found is None:
        return [], "fails: its trial ended without a result"
    encodings = json.loads(found.removeprefix(_RESULT))
    return encodings, "agrees with this package's conversions on no encoding"


def trial() -> None:
    """Convert a small image of each encoding in both ways, and print the encodings that come out equal."""
    from cv_bridge import CvBridge

    theirs, agreed, faults = CvBridge(), [], []
    for encoding in _TRIED_ENCODINGS:
        try:
            converted = theirs.imgmsg_to_cv2(_sample(encoding), "rgb8")
        except Exception as error:
            faults.append(error)
            continue
        if np.array_equal(converted, image_from_message(_sample(encoding))):
            agreed.append(encoding)
    if len(faults) == len(_TRIED_ENCODINGS):
        raise faults[0]  # it imports its compiled module when it converts
    print(_RESULT + json.dumps(agreed), flush=True)


def _bytes_of(encoding: str) -> int:
    """Bytes of a pixel; what has two is 4:2:2."""
    if encoding.startswith(("mono", "bayer")):
        return 1
    return 2 if encoding.startswith(("yu", "uy")) else len(encoding) - 1


def _sample(encoding: str) -> Image:
    shape = (16, 24, _bytes_of(encoding))
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return fill_image(Image(), pixels, encoding, Header())
