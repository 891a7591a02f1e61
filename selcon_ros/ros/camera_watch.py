"""Why nothing comes, or not enough: what the ROS graph and the middleware say about the node's topics."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CompressedImage

from selcon_ros.ros import fastdds
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.inputs import COMPRESSED_SUFFIXES, RELIABLE, Input, name_of, own_endpoints

SILENCE_SECONDS = 2.0
"""Seconds without an image after which the node says so."""

DISCOVERY_SECONDS = 10.0
"""Seconds in which processes that start find each other, also on a busy machine with Fast DDS's defaults."""

MAX_TOPICS_SHOWN = 4
"""Topics that may have been meant, named at most."""

UNKNOWN_NODE_NAME = "_NODE_NAME_UNKNOWN_"
"""What the ROS graph calls a node that it only knows the endpoints of."""


class CameraWatch:
    """Looks at the node's topics once in a while and reports what keeps messages from passing."""

    def __init__(
        self, node: Node, health: Health, image: Input, others: Sequence[Input], outputs: Sequence[str]
    ) -> None:
        """Nothing is looked at before `look`.

        `image` are the images, which the node cannot do without, and `others` the other subscriptions.
        `outputs` are the topics that the node publishes.
        """
        self._node, self._health = node, health
        self._image, self.inputs, self._outputs = image, (image, *others), tuple(outputs)
        self._memory_checked = not fast_dds()
        self._since = time.monotonic()

    def look(self) -> None:
        """Report problems, and take back those that are over. In the executor's thread."""
        for each in self.inputs:
            each.look()
            self._report(f"QoS of {each.topic}", self._deaf_to(each))
            self._report(f"losses on {each.topic}", losses(each) if each.losses.serious else "")
        for topic in self._outputs:
            self._report(f"QoS of {topic}", self._unheard_on(topic))
        if not self._memory_checked:
            # At the start, and then until it is in order: where it was, nothing takes it away any more.
            missing = fastdds.shared_memory_problem()
            self._report("shared memory", missing)
            self._memory_checked = not missing
        if (problem := self._camera_problem()) is not None:
            self._report("camera", problem)

    def _camera_problem(self) -> str | None:
        """Why no image comes, "" if they do. While nobody needs them, what the ROS graph shows: that nobody
        publishes any, or None."""
        image = self._image
        if not image.paused:
            silent = image.silence >= SILENCE_SECONDS
            return f"no image for {image.silence:.0f} s; {why_silent(image)}" if silent else ""
        published = any(info.topic_type == image.type_name for info in image.publishers)
        return None if published or time.monotonic() - self._since < DISCOVERY_SECONDS else why_silent(image)

    def _report(self, source: str, problem: str) -> None:
        if problem:
            self._health.problem(source, problem, every=30.0)
        else:
            self._health.solved(source)

    def _deaf_to(self, mine: Input) -> str:
        """Which publishers of an input this node cannot hear because of their QoS."""
        apart = [
            f"{name_of(other)}: {reason}"
            for other in mine.publishers
            if other.topic_type == mine.type_name and (reason := misfit(other, mine.endpoint))
        ]
        return _nothing_passes(
            apart,
            f"publish reliable, or set qos_overrides.{mine.topic}.subscription.reliability to best_effort",
        )

    def _unheard_on(self, topic: str) -> str:
        """Which subscribers of an output cannot hear this node because of their QoS."""
        own = next(iter(own_endpoints(self._node, self._node.get_publishers_info_by_topic(topic))), None)
        apart = [
            f"{name_of(other)}: {reason}"
            for other in self._node.get_subscriptions_info_by_topic(topic)
            if (reason := misfit(own, other))
        ]
        return _nothing_passes(apart, "subscribe volatile and without a deadline")


def _nothing_passes(apart: Sequence[str], remedy: str) -> str:
    return f"{'; '.join(apart)}; no message passes between that node and this: {remedy}" if apart else ""


def misfit(publisher: TopicEndpointInfo | None, subscription: TopicEndpointInfo | None) -> str:
    """Why the QoS of two endpoints, as the ROS graph shows them, keeps them apart; empty if it does not."""
    if publisher is None or subscription is None:
        return ""
    fit, reason = qos_check_compatible(publisher.qos_profile, subscription.qos_profile)
    if fit != QoSCompatibility.ERROR:
        return ""
    return str(reason).replace("ERROR: ", "").strip(";").replace(";", ", ")


def names_of(infos: Iterable[TopicEndpointInfo]) -> str:
    """The names of nodes, each once."""
    return ", ".join(sorted({name_of(info) for info in infos if info.node_name != UNKNOWN_NODE_NAME}))


def why_silent(mine: Input) -> str:
    """Why nothing comes on a topic, with what can be done about it."""
    all_publishers = mine.publishers
    publishers = [info for info in all_publishers if info.topic_type == mine.type_name]
    if not all_publishers:
        return f"nobody publishes {mine.topic}{where_instead(mine)}"
    if not publishers:
        types = ", ".join(sorted({info.topic_type for info in all_publishers}))
        remedy = (
            f"set {mine.name}_transport to raw or compressed accordingly"
            if mine.name in ("image", "depth")
            else f"remap {mine.name} to another topic"
        )
        return f"{mine.topic} carries {types}, this node takes {mine.type_name}: {remedy}"
    if mine.losses.lost:
        return losses(mine)
    who = names_of(publishers)
    if all(misfit(info, mine.endpoint) for info in publishers):
        return f"the QoS of {who} on {mine.topic} does not fit this node's"
    if any(info.node_name != UNKNOWN_NODE_NAME for info in publishers):
        return f"{mine.topic} has a publisher that sends nothing, {who}"
    if mine.silence < DISCOVERY_SECONDS:
        return f"{mine.topic} has a publisher of which nothing has arrived yet"
    # Names of nodes are sent as everything else, so not even those arrive.
    reason = (
        f"nothing that the publisher of {mine.topic} sends arrives, not even its node's name, "
        "if it is a ROS node: "
    )
    own = mine.endpoint.endpoint_gid if mine.endpoint else []
    if fast_dds() and any(fastdds.same_host(info.endpoint_gid, own) for info in publishers):
        return reason + (
            "as it runs on this machine, it is in a container that does not share this node's /dev/shm; "
            "share it (docker run --ipc=host), or give both the UDP profile (docs/containers.md)"
        )
    return reason + "look for a firewall, or for a network interface that the other machine does not reach"


def where_instead(mine: Input) -> str:
    """Where an input that nobody publishes may be found, and how to take it from there."""
    if mine.topic != mine.base and (carried := mine.carrying(mine.base)):
        return (
            f", and {mine.base} carries {', '.join(sorted(carried))}: "
            f"set {mine.name}_transport to raw, or publish {mine.topic}"
        )
    endings = (
        COMPRESSED_SUFFIXES
        if mine.name == "depth"
        else COMPRESSED_SUFFIXES[:1]
        if mine.name == "image"
        else ()
    )
    for ending in endings:
        other = mine.base + ending
        if other != mine.topic and mine.carrying(other):
            return f", but {other} is published: set {mine.name}_transport to {ending[1:]}"
    remedy = f": remap {mine.name} to the camera's topic"
    if fast_dds() and fastdds.local_only():
        remedy += " (with this Fast DDS profile no other machine is heard: docs/containers.md)"
    alike = get_close_matches(mine.topic, mine.elsewhere, MAX_TOPICS_SHOWN, cutoff=0.0)
    return f"{remedy}; {mine.type_name} is on {', '.join(alike)}" if alike else remedy


def losses(mine: Input) -> str:
    """How much of a topic is lost on the way, and what can be done about it."""
    publishers = mine.publishers
    count = mine.losses
    found = (
        f"{count.lost} of the last {count.lost + count.came} messages on {mine.topic} were lost on the way "
        f"from {names_of(publishers) or 'their publisher'}: "
    )
    own = mine.endpoint
    remote = (
        own is not None
        and bool(publishers)
        and all(fastdds.other_host(info.endpoint_gid, own.endpoint_gid) for info in publishers)
    )
    cures = fastdds.cures_of_losses(remote) if fast_dds() else []
    offered = any(info.qos_profile.reliability == RELIABLE for info in publishers)
    if offered and mine.qos.reliability != RELIABLE:
        cures.append(
            f"subscribe reliable (parameter qos_overrides.{mine.topic}.subscription.reliability: reliable)"
        )
    compressed = mine.kind is CompressedImage
    return found + ", or ".join([*cures, f"send smaller {'' if compressed else 'or compressed '}images"])


def fast_dds() -> bool:
    """The middleware is Fast DDS."""
    return str(get_rmw_implementation_identifier()).startswith("rmw_fastrtps")
