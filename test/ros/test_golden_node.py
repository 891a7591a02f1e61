"""The node has the topics and parameters of version 0.1.0."""

import json
from pathlib import Path

from selcon_ros.ros.parameters import SETTINGS_FIELDS

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"


def test_topics_and_parameters_are_there_still(start):
    golden = json.loads((GOLDEN / "node.json").read_text())
    _, node = start(bundle=GOLDEN / "bundle.zip")  # with a listener: without one it takes no images
    name, namespace = node.get_name(), node.get_namespace()
    published = dict(node.get_publisher_names_and_types_by_node(name, namespace))
    subscribed = dict(node.get_subscriber_names_and_types_by_node(name, namespace))
    for kind, topics in (("published", published), ("subscribed", subscribed)):
        for topic, types_ in golden[kind].items():
            place = topic if topic == "/diagnostics" else namespace + topic
            assert topics[place] == types_, f"{kind} {topic}"
    assert (
        golden["parameters"].items() <= {name: each.default for name, each in SETTINGS_FIELDS.items()}.items()
    )
