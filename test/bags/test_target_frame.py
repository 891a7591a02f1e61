"""`selcon ground-bag --target-frame`: poses, markers and clouds are moved, all else stays with the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from selcon_ros.bags.grounding import BagGrounder, BagRow
from selcon_ros.bags.parts import RELIABLE
from selcon_ros.bags.plan import BagPlan, segments
from selcon_ros.bags.reader import BagReader
from selcon_ros.bags.topics import choose
from selcon_ros.cli.main import main
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.model import load
from selcon_ros.ros.parameters import Settings
from support.bags import DOWN, FRAME, Stamped, camera, drive, rows, transforms, write_bag
from support.scenes import level

LATCHED = (RELIABLE[0]._replace(durability=QosDurability.TRANSIENT_LOCAL),)


class Found:
    """What one process makes of a bag: messages by topic, and rows."""

    def __init__(self, bundle: Path, bag: Path, **settings: Any) -> None:
        self._messages: dict[str, list[bytes]] = {}
        self.rows: list[BagRow] = []
        with BagReader(bag) as reader, load(bundle) as model:
            topics = choose(reader, None, None, None)
            asked = Settings(bundle=str(bundle), **settings)
            plan = BagPlan(bag, bundle, topics, ("hold",), ("hold",), "/out", asked, heatmaps=True)
            for segment in segments(reader, topics.image):
                for each in BagGrounder(model, reader, plan).segment(segment):
                    self.rows += each.rows
                    for topic, _, data in each.outputs:
                        self._messages.setdefault(topic, []).append(data)

    def read(self, topic: str, kind: Any) -> list[Any]:
        return [deserialize_message(data, kind) for data in self._messages[f"/out/{topic}"]]


def points_of(cloud: PointCloud2) -> np.ndarray:
    return np.frombuffer(bytes(cloud.data), "<f4").reshape(-1, 5)[:, :3]


def test_all_that_has_a_pose_is_in_the_target_frame(tmp_path: Path, bundle: Path) -> None:
    bag = write_bag(tmp_path / "bag", [*camera(4), *drive(4)])
    whole, moved = Found(bundle, bag), Found(bundle, bag, target_frame="odom")
    each = {
        name: (whole.read(name, kind), moved.read(name, kind))
        for name, kind in (
            ("grasp_points", PoseArray),
            ("markers", MarkerArray),
            ("cloud", PointCloud2),
            ("heatmap", Image),
        )
    }
    for index in range(3):
        rigid = Rigid((0.0, 0.0, 0.0, 1.0), (0.1 * index + 0.05, 0.0, 0.0)) @ DOWN
        before, after = (each["grasp_points"][side][index] for side in (0, 1))
        assert after.header.frame_id == "odom" and after.header.stamp == before.header.stamp
        for one, other in zip(before.poses, after.poses, strict=True):
            np.testing.assert_allclose(
                rigid.matrix @ [one.position.x, one.position.y, one.position.z] + rigid.translation,
                [other.position.x, other.position.y, other.position.z],
                atol=1e-6,
            )
            turned = rigid.turned(
                (one.orientation.x, one.orientation.y, one.orientation.z, one.orientation.w)
            )
            found = (other.orientation.x, other.orientation.y, other.orientation.z, other.orientation.w)
            np.testing.assert_allclose(turned, found, atol=1e-6)
        markers = [marker for marker in each["markers"][1][index].markers if marker.action == Marker.ADD]
        assert {marker.header.frame_id for marker in markers} == {"odom"}
        assert markers[0].pose == after.poses[0]
        clouds = [each["cloud"][side][index] for side in (0, 1)]
        assert clouds[1].header.frame_id == "odom" and clouds[1].width > 100
        np.testing.assert_allclose(rigid.points(points_of(clouds[0])), points_of(clouds[1]), atol=1e-5)
        assert each["heatmap"][0][index] == each["heatmap"][1][index]
    assert each["grasp_points"][1][3].header.frame_id == FRAME
    assert each["cloud"][1][3] == each["cloud"][0][3]
    statuses = [
        {value.key: value.value for value in message.status[0].values}["frame"]
        for message in moved.read("status", DiagnosticArray)
    ]
    assert statuses == [row.frame for row in moved.rows] == ["odom"] * 3 + [FRAME]
    assert moved.rows[0].z == pytest.approx(0.24, abs=0.002)
    assert moved.rows[3].note.startswith(
        f"no transform from '{FRAME}' to 'odom': the transform from 'odom' to"
    )


def test_the_cloud_may_have_all_points_of_the_image(tmp_path: Path, bundle: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera(1))
    (part,), (all_of_it,) = (
        Found(bundle, bag, cloud_part=only).read("cloud", PointCloud2) for only in (True, False)
    )
    assert 100 < part.width < 4000 and all_of_it.width > 60_000 and part.header.frame_id == FRAME


def ground(bundle: Path, bag: Path, out: Path, *given: str) -> Result:
    options = ["--bundle", str(bundle), "--action", "hold", "--processes", "1"]
    return CliRunner().invoke(main, ["ground-bag", str(bag), *options, "--out", str(out), *given])


def test_what_has_no_transform_is_said_at_the_end(tmp_path: Path, bundle: Path) -> None:
    bag = write_bag(tmp_path / "bag", [*camera(4), *drive(4)], tf_static=LATCHED)
    outcome = ground(bundle, bag, tmp_path / "out", "--target-frame", "odom", "--cloud", "none")
    assert outcome.exit_code == 0, outcome.output
    assert f"1 images have poses in the camera's frame: no transform from '{FRAME}' to" in outcome.output
    assert "poses in odom; 0 images could" in (tmp_path / "out" / "index.html").read_text()
    with AnyReader([tmp_path / "out" / "bag"]) as reader:
        qos = {each.topic: each.ext.offered_qos_profiles for each in reader.connections}
    assert qos["/tf_static"] == list(LATCHED) and "/affordance/cloud" not in qos


def mounted(pose: Rigid) -> list[Stamped]:
    return [("/tf_static", transforms(("base_link", FRAME, 0.0, pose)), round(1e9 * 99.0))]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_images_are_turned_by_where_up_is(tmp_path: Path, bundle: Path, turn: int) -> None:
    """All else is as with the same turn that is given."""
    bag = write_bag(tmp_path / "bag", [*camera(1), *mounted(level(turn))])
    by_tf, given = (
        Found(bundle, bag, target_frame="base_link", **how)
        for how in ({"image_turn_by_tf": True}, {"image_turn": turn})
    )
    assert [row.image_turn for row in by_tf.rows] == [turn]
    assert by_tf.rows == given.rows and by_tf.read("heatmap", Image) == given.read("heatmap", Image)
    if turn:
        straight = Found(bundle, bag, target_frame="base_link")
        assert straight.read("heatmap", Image) != by_tf.read("heatmap", Image)


def test_where_up_is_unknown_the_image_is_not_turned(tmp_path: Path, bundle: Path) -> None:
    """Without a transform, straight down, and in the camera's own frame; the note says what is missing."""
    bag = write_bag(tmp_path / "bag", [*camera(4), *drive(4)])
    found = Found(bundle, bag, target_frame="odom", image_turn_by_tf=True).rows
    assert [row.image_turn for row in found] == [0] * 4
    assert found[0].note == "" and found[3].note.startswith("no transform from")
    own = Found(bundle, bag, target_frame=FRAME, image_turn_by_tf=True).rows
    assert own[0].image_turn == 0 and own[0].note.startswith("not turned: --target-frame is the camera's own")


def test_turning_by_transforms_needs_a_target_frame(tmp_path: Path, bundle: Path) -> None:
    bag = write_bag(tmp_path / "bag", [*camera(1), *mounted(level(180))])
    refused = ground(bundle, bag, tmp_path / "out", "--image-turn", "tf")
    assert refused.exit_code == 2 and "--image-turn tf needs --target-frame" in refused.output
    done = ground(bundle, bag, tmp_path / "out", "--image-turn", "tf", "--target-frame", "base_link")
    assert done.exit_code == 0, done.output
    assert [row["image_turn"] for row in rows(tmp_path / "out")] == ["180"]


def test_a_bag_without_transforms_is_refused_at_the_start(tmp_path: Path, bundle: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera(1))
    outcome = ground(bundle, bag, tmp_path / "out", "--target-frame", "odom")
    assert outcome.exit_code == 1 and "the bag has no /tf and no /tf_static" in outcome.output
    assert not (tmp_path / "out").exists()
