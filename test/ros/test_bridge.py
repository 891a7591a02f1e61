"""cv_bridge is used where it works and agrees; one that is broken cannot harm the node."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from selcon_ros.ros import bridge
from selcon_ros.ros.bridge import Bridge, find_bridge
from selcon_ros.ros.conversions import ENCODINGS, image_from_message
from support.messages import raw_image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package named cv_bridge, of this code, where Python looks first."""

    def install(code: str) -> None:
        (tmp_path / "cv_bridge").mkdir()
        (tmp_path / "cv_bridge" / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("cv_bridge", None)


ALIKE = """
import numpy as np
print("rubbish on the screen")
class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding):
        assert desired_encoding == "rgb8"
        shape = message.height, message.width, 1 if message.encoding == "mono8" else 3
        pixels = np.frombuffer(bytes(message.data), np.uint8)[: np.prod(shape)].reshape(shape)  # no padding
        if message.encoding == "rgb8":
            return pixels + 0
        if message.encoding == "bgr8":
            return pixels[..., ::-1] + 0
        if message.encoding == "mono8":
            return pixels.repeat(3, 2) // 2
        raise RuntimeError("is not a colour format")
"""


@pytest.mark.skipif(importlib.util.find_spec("cv_bridge") is not None, reason="cv_bridge is installed")
def test_without_cv_bridge_the_reason_is_told() -> None:
    assert find_bridge() == (None, "raw images are converted by this package: cv_bridge is not installed")


def test_it_converts_where_both_agree(installed) -> None:
    installed(ALIKE)
    found, words = find_bridge()
    assert found is not None and words == "raw images are converted by cv_bridge: rgb8, bgr8"
    message = raw_image(PIXELS, "bgr8")
    np.testing.assert_array_equal(found(message), PIXELS[..., ::-1])
    asked = []
    image_from_message(message, bridge=lambda each: asked.append(each) or found(each))
    assert asked == [message]


def test_padding_other_encodings_and_faults_are_left_to_us(installed) -> None:
    installed(ALIKE)
    found, _ = find_bridge()
    assert found is not None
    other_order = raw_image(PIXELS, "rgb8")
    other_order.is_bigendian = 1
    for message in (raw_image(PIXELS, "rgb8", padding=3), raw_image(PIXELS[..., 0], "mono8"), other_order):
        assert found(message) is None
        np.testing.assert_array_equal(image_from_message(message, bridge=found), image_from_message(message))

    class Broken:
        def imgmsg_to_cv2(self, message, encoding):
            raise RuntimeError

    assert Bridge(Broken(), ["rgb8"])(raw_image(PIXELS, "rgb8")) is None


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os.abort()", "ends the process with SIGABRT"),
        ("import os; os._exit(3)", "fails: it said nothing"),
        ("raise ImportError('another numpy')", "fails: ImportError: another numpy"),
        ("import time; time.sleep(60)", "did not answer within 1 s"),
        ("class CvBridge:\n    pass", "fails: AttributeError: 'CvBridge' object has no"),
        (
            "class CvBridge:\n    def imgmsg_to_cv2(self, message, encoding):\n        return None",
            "agrees with this package's conversions on no encoding",
        ),
    ],
)
def test_a_broken_one_is_told_and_left_alone(installed, code: str, says: str) -> None:
    installed(code)
    found, words = find_bridge(seconds=1.0 if "sleep" in code else 20.0)
    assert found is None and says in words and len(words.splitlines()) == 1


def test_every_candidate_is_an_encoding_of_whole_bytes() -> None:
    for name in bridge._TRIED_ENCODINGS:
        assert image_from_message(bridge._sample(name)).shape == (16, 24, 3), name
    assert (
        {"rgb8", "bgr8", "mono8", "bayer_rggb8", "yuv422"} <= set(bridge._TRIED_ENCODINGS) <= set(ENCODINGS)
    )


def test_the_real_one_gives_equal_pixels() -> None:
    pytest.importorskip("cv_bridge", reason="cv_bridge is missing: it comes with a ROS installation")
    found, words = find_bridge()
    assert found is not None, words
    for name in bridge._TRIED_ENCODINGS:
        message = bridge._sample(name)
        converted = found(message)
        if name in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8"):
            assert converted is not None, name
        if converted is not None:
            np.testing.assert_array_equal(converted, image_from_message(message))
