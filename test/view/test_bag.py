"""A bag as a camera: its images with what belongs to them, at their pace, from the start again."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")

from rosbags.rosbag2 import StoragePlugin

from selcon_ros.bags.reader import BagError
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.ros.parameters import Settings
from selcon_ros.view.sources.bag import LAP_PAUSE_SECONDS, BagCamera
from selcon_ros.view.sources.offline import Shot
from support.bags import DOWN, camera, drive, joined, write_bag


def played(bag: BagCamera, count: int) -> list[tuple[float, Shot]]:
    """The first images, and when they were shown."""
    shots: list[tuple[float, Shot]] = []
    stop, began = threading.Event(), time.monotonic()

    def show(shot: Shot) -> None:
        shots.append((time.monotonic() - began, shot))
        if len(shots) == count:
            stop.set()

    bag.run(show, stop)
    return shots


@pytest.mark.parametrize("plugin", StoragePlugin)
def test_images_come_with_depth_and_camera_at_their_pace(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = BagCamera(write_bag(tmp_path / "bag", camera(3), plugin), None, None, None, Settings())
    shots = played(bag, 4)
    stamps = [round(shot.stamp, 3) for _, shot in shots]
    assert stamps == [100.0, 100.1, 100.2, 100.0]
    # Never before it is due; how much later is a matter of the machine.
    assert all(at >= due for (at, _), due in zip(shots, [0.0, 0.099, 0.199, 0.199], strict=True))
    first = shots[0][1]
    assert first.depth is not None and first.depth.dtype == np.float32 and first.intrinsics is not None
    assert first.frame_id == "camera_color_optical_frame" and first.notes == ()


def test_hours_without_an_image_are_not_waited_for(tmp_path: Path) -> None:
    recorded = camera(1) + camera(1, start=20_000.0)
    bag = BagCamera(write_bag(tmp_path / "bag", recorded), None, None, None, Settings())
    (_, _), (at, last) = played(bag, 2)
    assert last.stamp == 20_000.0 and at < 30


def test_a_clock_that_was_set_back_between_files_hides_no_image(tmp_path: Path) -> None:
    files = [
        write_bag(tmp_path / f"file{number}", camera(2, start=start))
        for number, start in enumerate((100.0, 300.0, 200.0, 50.0))
    ]
    bag = BagCamera(joined(tmp_path / "bag", *files), None, None, None, Settings())
    stamps = [round(shot.stamp, 1) for _, shot in played(bag, 9)]
    assert stamps == [50.0, 50.1, 100.0, 100.1, 200.0, 200.1, 300.0, 300.1, 50.0]


def test_damaged_images_are_told_and_left_out(tmp_path: Path) -> None:
    recorded = camera(3)
    for topic, message, _ in recorded[:3]:
        if topic.endswith("/image"):
            message.encoding = "nonsense"
    bag = BagCamera(write_bag(tmp_path / "bag", recorded), None, None, None, Settings())
    ((_, shot),) = played(bag, 1)
    assert shot.stamp == pytest.approx(100.1) and "nonsense" in shot.faults[0]
    for topic, message, _ in recorded:
        if topic.endswith("/image"):
            message.encoding = "nonsense"
    with pytest.raises(BagError, match="no image on /camera/image .* can be used: .*nonsense"):
        played(BagCamera(write_bag(tmp_path / "all", recorded), None, None, None, Settings()), 1)


def test_a_bag_without_depth_says_so_and_one_without_the_topic_is_refused(tmp_path: Path) -> None:
    images = [each for each in camera(1) if each[0] == "/camera/image"]
    path = write_bag(tmp_path / "bag", images)
    ((_, shot),) = played(BagCamera(path, None, None, None, Settings()), 1)
    assert shot.depth is None and "no depth topic, no camera_info topic" in shot.notes[0]
    with pytest.raises(BagError, match="--image /else is not in the bag"):
        BagCamera(path, "/else", None, None, Settings())


def test_a_bag_that_was_received_at_once_is_read_with_pauses(tmp_path: Path) -> None:
    recorded = [(topic, message, 5_000_000_000) for topic, message, _ in camera(2)]
    bag = BagCamera(write_bag(tmp_path / "bag", recorded), None, None, None, Settings())
    times = [at for at, _ in played(bag, 5)]
    assert times[2] - times[1] >= LAP_PAUSE_SECONDS / 2 and times[4] - times[3] >= LAP_PAUSE_SECONDS / 2


def test_the_target_frame_is_where_the_bags_transforms_say(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [*camera(4), *drive(4)])
    shots = [shot for _, shot in played(BagCamera(path, None, None, None, Settings(target_frame="odom")), 4)]
    for index, shot in enumerate(shots[:3]):
        camera_in_odom = Rigid((0.0, 0.0, 0.0, 1.0), (0.1 * index + 0.05, 0.0, 0.0)) @ DOWN
        assert shot.target is not None and shot.target.name == "odom" and shot.faults == ()
        back = camera_in_odom @ shot.target.pose
        assert back.translation == pytest.approx((0.0, 0.0, 0.0), abs=1e-6)
        assert abs(back.rotation[3]) == pytest.approx(1.0)
    assert shots[3].target is None and "no transform from 'camera_color" in shots[3].faults[0]


def test_a_frame_that_no_transform_can_lead_to_is_refused(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", camera(1))
    with pytest.raises(BagError, match="'base_link': the bag has no /tf and no /tf_static"):
        BagCamera(path, None, None, None, Settings(target_frame="base_link"))
