"""Which topics of a bag are those of its transforms."""

from __future__ import annotations

from pathlib import Path

import pytest

from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.bags.transform_topics import TransformTopics, transform_topics
from selcon_ros.bags.transforms import BagTransforms
from selcon_ros.core.grasps.rigid import Rigid
from support.bags import transforms, write_bag
from support.messages import header

S = 10**9
HERE = Rigid((0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0))


def bag_with(tmp_path: Path, *topics: str) -> BagReader:
    message = transforms(("base", "camera", 1.0, HERE))
    return BagReader(write_bag(tmp_path / "bag", [(topic, message, S) for topic in topics]))


@pytest.mark.parametrize(
    ("topics", "moving", "static"),
    [
        (["/tf", "/tf_static"], "/tf", "/tf_static"),
        (["/robot/tf"], "/robot/tf", "/robot/tf_static"),
        (["/fleet/robot/tf_static", "/fleet/robot/tf"], "/fleet/robot/tf", "/fleet/robot/tf_static"),
        (["/robot/tf", "/tf_static", "/robot/tf_static"], "/robot/tf", "/tf_static"),
        (["/left/tf", "/tf", "/right/tf"], "/tf", "/tf_static"),
        (["/robot/tf", "/other"], "/robot/tf", "/robot/tf_static"),
    ],
)
def test_the_only_ones_are_found(tmp_path: Path, topics: list[str], moving: str, static: str) -> None:
    with bag_with(tmp_path, *topics) as reader:
        assert transform_topics(reader, "base") == TransformTopics(moving, static)


@pytest.mark.parametrize("topic", ["/robot/tf", "/robot/tf_static"])
def test_those_of_a_robot_with_a_namespace_are_used(tmp_path: Path, topic: str) -> None:
    with bag_with(tmp_path, topic) as reader:
        placed = BagTransforms(reader, "base").around([(S, S)])
        found, rigid, missing = placed.of(header(1.0, "camera"), S)
    assert (found.frame_id, missing) == ("base", "") and rigid is not None
    assert rigid.translation == (1.0, 0.0, 0.0)


def test_those_of_several_robots_are_refused(tmp_path: Path) -> None:
    said = "several robots, '/left/tf', '/right/tf': keep one's"
    with bag_with(tmp_path, "/left/tf", "/right/tf_static") as reader, pytest.raises(BagError, match=said):
        transform_topics(reader, "base")
