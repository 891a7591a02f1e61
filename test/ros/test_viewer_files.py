"""The views for RViz and Foxglove show topics, fields and namespaces that the node has, as what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.ros import interfaces
from selcon_ros.ros.cloud_message import FIELDS
from selcon_ros.ros.markers import GraspMarkers
from selcon_ros.ros.publishers import RELIABLE
from support import ros
from support.messages import header

CONFIG = Path(__file__).resolve().parents[2] / "config"
IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
CAMERA = {"/camera/image": IMAGE, "/camera/depth": IMAGE, "/camera/camera_info": INFO}
OF_A_BAG = {"/affordance/overlay/compressed": "sensor_msgs/msg/CompressedImage"}
"""That `selcon ground-bag` writes, and the node does not."""
RVIZ = {
    "Image": IMAGE,
    "PointCloud2": "sensor_msgs/msg/PointCloud2",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "PoseArray": "geometry_msgs/msg/PoseArray",
}
"""What the displays of rviz_default_plugins take."""
FOXGLOVE = {
    "colorField": {"sensor_msgs/msg/PointCloud2"},
    "axisScale": {"geometry_msgs/msg/PoseArray"},
    "distance": {INFO},
}
"""Settings of topics in Foxglove's 3D panel, and the types of topics that have them."""


@pytest.fixture(scope="module")
def types(bundle: Path) -> dict[str, str]:
    """Of each topic of the node and of a camera."""
    with ros.context() as context, ros.running_node(context, bundle) as node:
        found = dict(node.get_publisher_names_and_types_by_node("grounding", "/affordance"))
    if not interfaces.MISSING:
        assert "/affordance/result" in found
    return {**{topic: kinds[0] for topic, kinds in found.items()}, **CAMERA}


def test_rviz_shows_each_topic_as_what_it_is(types: dict[str, str]) -> None:
    config = yaml.safe_load((CONFIG / "grounding.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    shown = set()
    for display in displays:
        library, kind = display["Class"].split("/")
        assert library == "rviz_default_plugins"
        if "Topic" in display:
            topic = display["Topic"]
            shown.add(topic["Value"])
            assert types[topic["Value"]] == RVIZ[kind], display["Name"]
            assert topic["Reliability Policy"].lower() == RELIABLE.reliability.name.lower()
            assert topic["Durability Policy"].lower() == RELIABLE.durability.name.lower()
        for key in ("Color Image Topic", "Depth Map Topic"):
            if key in display:
                shown.add(display[key])
                assert types[display[key]] == IMAGE
        assert display.get("Channel Name", "heat") in FIELDS
        if "Namespaces" in display:
            assert set(display["Namespaces"]) == namespaces()
    assert shown >= {f"/affordance/{name}" for name in ("overlay", "heatmap", "markers", "cloud")}
    names = {display["Name"] for display in displays} | {panel["Name"] for panel in config["Panels"]}
    places = {name for name, place in config["Window Geometry"].items() if isinstance(place, dict)}
    assert places <= names


def namespaces() -> set[str]:
    point = GraspPoint((1.0, 1.0), 1.0, (0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), 0.03)
    return {each.ns for each in GraspMarkers().update({"hold": [point]}, header(1.0), 0.0).markers}


@pytest.fixture(scope="module")
def layout() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIG / "foxglove_layout.json").read_text())
    return found


def panels(place: Any) -> Iterator[str]:
    """The panels below a place of a layout: a panel, or two places beside each other."""
    if isinstance(place, str):
        yield place
    else:
        assert place["direction"] in ("row", "column") and 0 < place["splitPercentage"] < 100
        yield from panels(place["first"])
        yield from panels(place["second"])


def test_every_panel_of_foxglove_has_its_place_and_its_settings(layout: dict[str, Any]) -> None:
    settings = layout["configById"]
    placed = list(panels(layout["layout"]))
    for tabs in (settings[panel] for panel in placed.copy() if panel.startswith("Tab!")):
        assert 0 <= tabs["activeTabIdx"] < len(tabs["tabs"])
        placed += [panel for tab in tabs["tabs"] for panel in panels(tab["layout"])]
    assert sorted(placed) == sorted(settings)
    kinds = {panel.partition("!")[0] for panel in placed}
    assert kinds == {"3D", "Tab", "Image", "Plot", "RawMessages", "DiagnosticSummary"}


def test_foxglove_shows_each_topic_as_what_it_is(layout: dict[str, Any], types: dict[str, str]) -> None:
    known = {**types, **OF_A_BAG}
    if interfaces.MISSING:
        known["/affordance/result"] = "selcon_interfaces/msg/AffordanceResult"
    for name, panel in layout["configById"].items():
        kind = name.partition("!")[0]
        if kind == "Image":
            mode = panel["imageMode"]
            assert known[mode["imageTopic"]] in {IMAGE, *OF_A_BAG.values()}
            assert known[mode.get("calibrationTopic", "/camera/camera_info")] == INFO
        elif kind == "3D":
            for topic, settings in panel["topics"].items():
                for setting in settings.keys() & FOXGLOVE.keys():
                    assert known[topic] in FOXGLOVE[setting], topic
                assert settings.get("colorField", "heat") in FIELDS
            assert panel["topics"].keys() >= {"/affordance/markers", "/affordance/cloud"}
        elif kind == "Plot":
            for path in panel["paths"]:
                check_path(path["value"], known)
        elif kind == "RawMessages":
            assert panel["topicPath"] in known
        elif kind == "DiagnosticSummary":
            assert known[panel["topicToRender"]] == "diagnostic_msgs/msg/DiagnosticArray"


def check_path(path: str, types: dict[str, str]) -> None:
    """A path of Foxglove's: a topic, and fields, of arrays all elements or those with a value."""
    topic, *fields = re.sub(r"\[:\]|\{[^}]*\}", "", path).split(".")
    kind = types[topic]
    for field in fields:
        package, _, name = kind.removesuffix("[]").partition("/")
        if package == "selcon_interfaces" and interfaces.MISSING:
            return
        message = getattr(import_module(f"{package}.msg"), name.removeprefix("msg/"))
        kind = message.get_fields_and_field_types()[field]
        kind = kind.removeprefix("sequence<").removesuffix(">")
    assert kind in ("string", "double", "float")


def test_a_path_with_a_field_that_is_not_there_is_seen() -> None:
    with pytest.raises(KeyError, match="values_"):
        check_path("/x.status[:].values_[:]", {"/x": "diagnostic_msgs/msg/DiagnosticArray"})
