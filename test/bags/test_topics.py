"""The camera's topics are found where there is no doubt, and otherwise asked for."""

from pathlib import Path

import pytest
from std_msgs.msg import String

from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.bags.topics import CameraTopics, choose
from support.bags import Stamped, camera, write_bag
from support.messages import compressed_image, encoded, raw_image
from support.scenes import scene

CAMERA = CameraTopics("/camera/image", "/camera/depth", "/camera/camera_info")


def chosen(path: Path, messages: list[Stamped], *given: str | None) -> CameraTopics:
    with BagReader(write_bag(path / "bag", messages)) as reader:
        return choose(reader, *(given or (None, None, None)))


def test_the_only_camera_is_found(tmp_path: Path) -> None:
    others: list[Stamped] = [("/chatter", String(data="hello"), 1)]
    assert chosen(tmp_path, [*others, *camera(2)]) == CAMERA


def test_of_two_cameras_one_must_be_chosen(tmp_path: Path) -> None:
    both = [*camera(2), *camera(2, "/wrist", "wrist_optical_frame")]
    with pytest.raises(
        BagError, match="colour images on /camera/image, /wrist/image: choose one with --image"
    ):
        chosen(tmp_path / "one", both)
    wrist = CameraTopics("/wrist/image", "/wrist/depth", "/wrist/camera_info")
    assert chosen(tmp_path / "two", both, "/wrist/image", None, None) == wrist


def test_two_cameras_of_one_frame_are_told_apart_by_their_names(tmp_path: Path) -> None:
    both = [*camera(2), *camera(2, "/wrist")]
    wrist = CameraTopics("/wrist/image", "/wrist/depth", "/wrist/camera_info")
    assert chosen(tmp_path, both, "/wrist/image", None, None) == wrist


def test_depth_of_another_frame_is_not_taken(tmp_path: Path) -> None:
    messages = camera(2)
    for topic, message, _ in messages:
        if topic == "/camera/depth":
            message.header.frame_id = "camera_depth_optical_frame"
    assert chosen(tmp_path, messages) == CameraTopics("/camera/image", None, "/camera/camera_info")


def test_depth_can_be_declined(tmp_path: Path) -> None:
    assert chosen(tmp_path, camera(2), None, "none", None).depth is None


@pytest.mark.parametrize("form", ["jpeg", "rgb8; jpeg compressed bgr8"])
def test_compressed_images_are_images(tmp_path: Path, form: str) -> None:
    picture = compressed_image(encoded(scene(), ".jpg"), form)
    assert chosen(tmp_path, [("/camera/image/compressed", picture, 1)]).image == "/camera/image/compressed"


@pytest.mark.parametrize("form", ["16UC1; png", "16UC1; compressedDepth png"])
def test_compressed_depth_is_none(tmp_path: Path, form: str) -> None:
    picture = compressed_image(b"whatever", form)
    found = chosen(tmp_path, [*camera(1)[-1:], ("/camera/depth/compressed", picture, 1)])
    assert found == CameraTopics("/camera/image", "/camera/depth/compressed", None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("/imgae", None, None),
            "--image /imgae is not in the bag; .* there are: /camera/depth, /camera/image",
        ),
        (("/chatter", None, None), "--image /chatter is of std_msgs/msg/String"),
        ((None, None, "/camera/image"), "--camera-info /camera/image is of sensor_msgs/msg/Image"),
    ],
)
def test_a_wrong_topic_is_told_with_those_that_are_there(
    tmp_path: Path, given: tuple[str | None, ...], said: str
) -> None:
    with pytest.raises(BagError, match=said):
        chosen(tmp_path, [*camera(1), ("/chatter", String(data="hello"), 1)], *given)


def test_a_bag_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="the bag has no colour images"):
        chosen(tmp_path, [("/depth", raw_image(scene()[..., 0], "16UC1"), 1)])
