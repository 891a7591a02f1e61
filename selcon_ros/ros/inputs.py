"""The node's subscriptions: topic, type and QoS of each, what came on it, and what was lost on the way."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

from selcon_ros.core.errors import ParameterError
from selcon_ros.ros.compat import SubscriptionEventCallbacks, UnsupportedEventTypeError

BEST_EFFORT, RELIABLE = QoSReliabilityPolicy.BEST_EFFORT, QoSReliabilityPolicy.RELIABLE
IMAGE_TYPES = {"raw": Image, "compressed": CompressedImage, "compressedDepth": CompressedImage}
"""The type of an image topic by the parameter `*_transport`."""
COMPRESSED_SUFFIXES = ("/compressed", "/compressedDepth")
"""How the names of topics end that image_transport makes of an image topic."""
ROS_TOPICS = ("/clock", "/parameter_events", "/rosout")
RESUMING_SECONDS = 2.0
"""Seconds after subscribing again in which it is no fault that nothing has come."""
RECENT_SECONDS = 10.0
"""Seconds over which losses are looked at."""


@dataclass(frozen=True)
class Losses:
    """How many messages came and were lost on the way, lately (`RECENT_SECONDS` or a little more)."""

    came: int
    lost: int

    @property
    def serious(self) -> bool:
        """More than one message in ten is lost, and more than two."""
        return self.lost > 2 and 10 * self.lost > self.lost + self.came


class Input:
    """One subscription, which counts what comes and what the middleware says it has lost."""

    def __init__(
        self,
        node: Node,
        name: str,
        kind: type,
        callback: Callable[[Any], None],
        depth: int,
        reliability: QoSReliabilityPolicy = BEST_EFFORT,
        latched: bool = False,
        transport: str = "raw",
    ) -> None:
        """Subscribe; the parameters `qos_overrides./TOPIC.subscription.*` change the QoS.

        `depth` is the number of messages that wait for the callback. `transport` is image_transport's name
        for the form of the images, which its topics end with. With `latched` it hears also what a
        transient-local publisher sent before this node was there. Raises ParameterError for a QoS override
        that is none.
        """
        self.name, self.kind = name, kind
        self.received = self.lost = 0
        self.ours = {node.get_fully_qualified_name()}
        """The nodes whose own topics cannot be meant."""
        self._node, self._callback, self._latched = node, callback, latched
        self._recent: deque[tuple[float, int, int]] = deque([(time.monotonic(), 0, 0)])
        self._last: float | None = None
        self._resumed, self._received_before = -math.inf, 0
        self._earlier: Subscription[Any] | None = None
        self.base = node.resolve_topic_name(name)
        """The topic without the ending of the transport."""
        bare = transport == "raw" or self.base.endswith(COMPRESSED_SUFFIXES)
        self.topic = self.base if bare else f"{self.base}/{transport}"
        self._defaults = QoSProfile(depth=depth, reliability=reliability)
        self._subscription: Subscription[Any] | None = self._subscribe()
        self.topic = self._subscription.topic_name

    @property
    def type_name(self) -> str:
        """The message type as the ROS graph writes it."""
        return f"{self.kind.__module__.split('.')[0]}/msg/{self.kind.__name__}"

    @property
    def silence(self) -> float:
        """Seconds since the last message, or since the first look: nothing can come before callbacks run."""
        return 0.0 if self._last is None or self.paused else time.monotonic() - self._last

    @property
    def paused(self) -> bool:
        """Nothing is received at present (see `pause`)."""
        return self._subscription is None

    @property
    def just_resumed(self) -> bool:
        """Messages may be on their way for the first time since `resume`."""
        return time.monotonic() < self.resuming_until

    @property
    def resuming_until(self) -> float:
        """The end of `just_resumed`, on the machine's monotonic clock."""
        return self._resumed + RESUMING_SECONDS

    @property
    def since_resumed(self) -> int:
        """Messages that have come since `resume`."""
        return self.received - self._received_before

    def pause(self) -> None:
        """Unsubscribe until `resume`: what nobody needs is not received. In the executor's thread."""
        for each in (self._subscription, self._earlier):
            if each is not None:
                self._node.destroy_subscription(each)
        self._subscription = self._earlier = None

    def resume(self) -> None:
        """Subscribe again; silence counts from now. In the executor's thread."""
        if self._subscription is None:
            self._last = self._resumed = time.monotonic()
            self._received_before = self.received
            self._subscription = self._subscribe()

    @property
    def publishers(self) -> list[TopicEndpointInfo]:
        """Who publishes the topic, of whatever type."""
        return list(self._node.get_publishers_info_by_topic(self.topic))

    @property
    def elsewhere(self) -> list[str]:
        """The topics on which another node publishes this type."""
        alike = [topic for topic, types in self._node.get_topic_names_and_types() if self.type_name in types]
        return [
            topic
            for topic in alike
            if any(name_of(info) not in self.ours for info in self._node.get_publishers_info_by_topic(topic))
        ]

    def carrying(self, topic: str) -> set[str]:
        """The types that are published on a topic."""
        return {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}

    @property
    def endpoint(self) -> TopicEndpointInfo | None:
        """This subscription as the ROS graph shows it; None while it does not."""
        infos = own_endpoints(self._node, self._node.get_subscriptions_info_by_topic(self.topic))
        volatile = QoSDurabilityPolicy.VOLATILE
        return next((info for info in infos if info.qos_profile.durability == volatile), None)

    @property
    def losses(self) -> Losses:
        """What came and was lost lately."""
        _, received, lost = self._recent[0]
        return Losses(self.received - received, self.lost - lost)

    def look(self) -> None:
        """Follow the ROS graph and the time; call it now and then, in the executor's thread."""
        now = time.monotonic()
        if self._last is None:
            self._last = now
        self._recent.append((now, self.received, self.lost))
        # One look from before stays, to count from: looks may be farther apart than that.
        while len(self._recent) > 1 and now - self._recent[1][0] > RECENT_SECONDS:
            self._recent.popleft()
        if self._latched and not self.paused:
            self._hear_what_was_sent_before()
        if self.topic != self.base and not self.publishers and self.type_name in self.carrying(self.base):
            self._move_to_base()

    def _subscribe(self) -> Subscription[Any]:
        try:
            try:
                return self._create(SubscriptionEventCallbacks(
                    message_lost=self._on_lost, use_default_callbacks=False
                ))  # fmt: skip
            except UnsupportedEventTypeError:  # a middleware that does not count
                return self._create(SubscriptionEventCallbacks(use_default_callbacks=False))
        except (
            InvalidParameterTypeException,
            InvalidParameterValueException,
            InvalidQosOverridesError,
            RuntimeError,
            ValueError,
        ) as error:
            raise ParameterError(
                f"a parameter qos_overrides.{self.topic}.subscription.* cannot be used: {error} "
                "(reliability: reliable or best_effort; history: keep_last or keep_all; depth: 1 to 1000)"
            ) from error

    def _move_to_base(self) -> None:
        """Subscribe to the base topic: it carries compressed images itself, without a name that says so."""
        earlier, silent = self._subscription, self.topic
        self.topic = self.base
        try:
            self._subscription = self._subscribe()
        except ParameterError as error:
            self.base = self.topic = silent
            self._node.get_logger().error(str(error))
            return
        if earlier is None:
            self.pause()  # as it was
        else:
            self._node.destroy_subscription(earlier)
        self._node.get_logger().info(
            f"{self.name} from {self.topic}: it carries {self.type_name}, and nobody publishes {silent}"
        )

    def _create(self, events: SubscriptionEventCallbacks) -> Subscription[Any]:
        self.qos = copy(self._defaults)  # rclpy writes the topic's overrides into it
        return self._node.create_subscription(
            self.kind,
            self.topic,
            self._on_message,
            self.qos,
            event_callbacks=events,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(callback=_objection),
        )

    def _on_message(self, message: Any) -> None:
        self.received += 1
        self._last = time.monotonic()
        self._callback(message)

    def _on_lost(self, event: Any) -> None:
        self.lost += max(0, event.total_count_change)

    def _hear_what_was_sent_before(self) -> None:
        """Subscribe a second time, transient local, while a publisher offers that.

        A volatile subscription does not get what was sent before it was there, and a transient-local one gets
        nothing of a volatile publisher. What comes twice has the same stamp.
        """
        offered = any(
            info.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
            and info.qos_profile.reliability == RELIABLE
            and info.topic_type == self.type_name
            for info in self.publishers
        )
        if offered and self._earlier is None:
            qos = QoSProfile(
                depth=self.qos.depth, reliability=RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL
            )
            self._earlier = self._node.create_subscription(
                self.kind,
                self.topic,
                self._on_message,
                qos,
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        elif not offered and self._earlier is not None:
            self._node.destroy_subscription(self._earlier)
            self._earlier = None


def _objection(qos: QoSProfile) -> SetParametersResult:
    """Whether overrides make sense, in the form that rclpy asks for."""
    return SetParametersResult(successful=1 <= qos.depth <= 1000, reason=f"depth is {qos.depth}")


def overrides_of_nothing(node: Node, inputs: Iterable[Input]) -> str:
    """Say which QoS overrides given at start change nothing; empty if all do.

    Those of a topic's other forms, compressed or not, and of ROS's own topics are left out.
    """
    inputs = list(inputs)
    topics = {each.topic for each in inputs}
    others = {f"{each.base}{ending}" for each in inputs for ending in ("", *COMPRESSED_SUFFIXES)} - topics
    # rclpy has no public list of them: where it keeps it elsewhere one day, nothing is said.
    names = [
        name
        for name in getattr(node, "_parameter_overrides", {})
        if name.startswith("qos_overrides.")
        and not node.has_parameter(name)
        and name.split(".")[1] not in {*others, *ROS_TOPICS}
    ]
    if not names:
        return ""
    return (
        f"{', '.join(sorted(names)[:3])}: no such QoS override; those of this node are "
        f"qos_overrides.TOPIC.subscription.reliability, history and depth of {', '.join(sorted(topics))}"
    )


def name_of(info: TopicEndpointInfo) -> str:
    """A node's name with its namespace."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def own_endpoints(node: Node, infos: Iterable[TopicEndpointInfo]) -> Iterator[TopicEndpointInfo]:
    """Those endpoints that are the node's own."""
    return (info for info in infos if name_of(info) == node.get_fully_qualified_name())
