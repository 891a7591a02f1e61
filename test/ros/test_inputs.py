"""Subscriptions of the node: middleware that cannot count losses, QoS overrides, names of topics."""

import time

import pytest
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from selcon_ros.core.errors import ParameterError
from selcon_ros.ros import fastdds
from selcon_ros.ros.camera_watch import why_silent
from selcon_ros.ros.inputs import Input
from support.ros import context, listening, running_node


@pytest.fixture(autouse=True)
def profile_for_any_machine(monkeypatch):
    """The tests' own profile keeps traffic on the machine, and the node says so."""
    monkeypatch.setattr(fastdds, "local_only", lambda: False)


def test_a_middleware_that_cannot_count_losses_is_subscribed_to_all_the_same(monkeypatch):
    def cannot(events, *_):
        if events.message_lost:
            raise UnsupportedEventTypeError("message lost")
        return []

    monkeypatch.setattr(SubscriptionEventCallbacks, "create_event_handlers", cannot)
    with context() as made:
        node = Node("ear", context=made)
        heard = Input(node, "image", Image, lambda _: None, depth=1)
        assert heard.topic == "/image" and node.count_subscribers("/image") == 1
        assert why_silent(heard) == "nobody publishes /image: remap image to the camera's topic"
        node.destroy_node()


OVERRIDE = "qos_overrides./affordance/{}.subscription.{}"


def test_qos_overrides_change_the_subscriptions(bundle):
    wanted = {"image": "reliable", "depth": "reliable", "camera_info": "reliable", "action": "best_effort"}
    overrides = {OVERRIDE.format(name, "reliability"): value for name, value in wanted.items()}
    with context() as made, running_node(made, bundle, **overrides) as node, listening(made, node):
        for name, value in wanted.items():
            (info,) = node.get_subscriptions_info_by_topic(f"/affordance/{name}")
            assert info.qos_profile.reliability.name.lower() == value
        assert node.get_parameter(OVERRIDE.format("image", "depth")).value == 1


def test_an_override_of_the_transport_s_topic_is_none_of_the_base_topic():
    override = Parameter("qos_overrides./image/compressed.subscription.depth", value=7)
    with context() as made:
        node = Node("ear", context=made, parameter_overrides=[override])
        node.create_publisher(CompressedImage, "image", 1)
        heard = Input(node, "image", CompressedImage, lambda _: None, depth=1, transport="compressed")
        assert heard.topic == "/image/compressed" and heard.qos.depth == 7
        end = time.monotonic() + 10
        while heard.topic != "/image" and time.monotonic() < end:
            heard.look()
        assert heard.topic == "/image" and heard.qos.depth == 1
        node.destroy_node()


@pytest.mark.parametrize(
    ("policy", "value"),
    [("reliability", "certain"), ("reliability", 1), ("depth", "deep"), ("depth", -1), ("history", 3)],
)
def test_a_qos_override_that_is_none_ends_the_start_with_one_line(bundle, policy, value):
    name = OVERRIDE.format("image", policy)
    with (
        context() as made,
        pytest.raises(ParameterError, match=r"qos_overrides\./affordance/image\.subscription") as raised,
        running_node(made, bundle, **{name: value}),
    ):
        pass
    assert policy in str(raised.value) and "\n" not in str(raised.value)


def test_a_qos_override_that_changes_nothing_is_told(bundle):
    overrides = {
        OVERRIDE.format("imag", "reliability"): "reliable",
        OVERRIDE.format("image", "reliabilty"): "reliable",
        OVERRIDE.format("image/compressed", "reliability"): "reliable",  # the launch file gives both
        OVERRIDE.format("image", "reliability"): "reliable",
    }
    with context() as made, running_node(made, bundle, **overrides) as node:
        said = node._health.problems["QoS overrides"]
    assert said.startswith(
        "qos_overrides./affordance/imag.subscription.reliability, "
        "qos_overrides./affordance/image.subscription.reliabilty: no such QoS override; those of this node"
    )


def named(bundle, image: str, **settings: str) -> tuple[str, str]:
    """The topics that image and depth are taken from."""
    arguments = ["--ros-args", "-r", f"image:={image}", "-r", f"depth:={image}_depth"]
    with context() as made, running_node(made, bundle, cli_args=arguments, **settings) as node:
        return node._inputs.image.topic, node._inputs.depth_sync.depth_input.topic


@pytest.mark.parametrize(
    ("image", "settings", "topics"),
    [
        ("/cam/image_raw", {}, ("/cam/image_raw", "/cam/image_raw_depth")),
        (
            "/cam/image_raw",
            {"image_transport": "compressed", "depth_transport": "compressedDepth"},
            ("/cam/image_raw/compressed", "/cam/image_raw_depth/compressedDepth"),
        ),
        (
            "/cam/image_raw/compressed",
            {"image_transport": "compressed", "depth_transport": "compressed"},
            ("/cam/image_raw/compressed", "/cam/image_raw/compressed_depth/compressed"),
        ),
    ],
)
def test_compressed_topics_have_the_names_of_image_transport(bundle, image, settings, topics):
    assert named(bundle, image, **settings) == topics
