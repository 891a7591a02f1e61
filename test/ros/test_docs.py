"""The pages and files that users copy from say what the code says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from selcon_ros.ros import interfaces
from selcon_ros.ros.conversions import ENCODINGS
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.publishers import LEGEND_TOPIC
from support import ros
from support.ros import OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
TABLE = re.compile(r"^\| `(\w+)` \| `([^`]*)` \|([^|]*)\| (start|configure|any time) \|", re.MULTILINE)


def limits(field) -> str:
    about = field.metadata
    return (
        ", ".join(map(str, about["choices"]))
        if about["low"] is None
        else f"{about['low']:g} to {about['high']:g}"
    )


def test_every_parameter_is_documented_with_default_and_range():
    page = (ROOT / "docs" / "parameters.md").read_text()
    documented = {
        name: (yaml.safe_load(default), range_.strip(), changes)
        for name, default, range_, changes in TABLE.findall(page)
    }
    declared = {
        each.name: (each.default, limits(each), each.metadata["changes"]) for each in fields(Settings)
    }
    assert documented == declared


def test_the_parameter_file_holds_every_default():
    file = yaml.safe_load((ROOT / "config" / "grounding.yaml").read_text())
    values = file["/**"]["ros__parameters"]
    assert values == {each.name: each.default for each in fields(Settings)}
    assert {name: type(value) for name, value in values.items()} == {
        each.name: type(each.default) for each in fields(Settings)
    }


@pytest.fixture(scope="module")
def topics(bundle) -> dict[str, set[str]]:
    with ros.context() as context, ros.running_node(context, bundle) as node, ros.listening(context, node):
        name = ("grounding", "/affordance")
        out = {topic for topic, _ in node.get_publisher_names_and_types_by_node(*name)}
        into = {topic for topic, _ in node.get_subscriber_names_and_types_by_node(*name)}
    of_ros = ("/rosout", "/parameter_events", "/transition_event")
    ours = lambda topic: not topic.endswith(of_ros) and "/_" not in topic  # noqa: E731
    return {"out": set(filter(ours, out)), "in": set(filter(ours, into))}


def test_every_topic_is_documented(topics):
    page = (ROOT / "docs" / "topics.md").read_text()
    incoming, outgoing = page.split("## Out")[0], page.split("## Out")[1].split("Keys of")[0]
    row = re.compile(r"^\| `(/?\w+(?:/\w+)?)` \|", re.MULTILINE)
    absolute = lambda names: {name if name[0] == "/" else f"/affordance/{name}" for name in names}  # noqa: E731
    assert absolute(row.findall(incoming)) == topics["in"]
    documented = {*row.findall(outgoing)} - ({"result"} if interfaces.MISSING else set())
    assert absolute(documented) == topics["out"] == absolute({*OUTPUTS, LEGEND_TOPIC, "/diagnostics"})


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_is_documented(name):
    page = (ROOT / "docs" / "topics.md").read_text()
    assert re.search(rf"\b{name.replace('16', '8') if 'UC' not in name else name}\b", page)
