"""Hears what a running node says of its images, and asks it for actions and parameters."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped, PoseArray
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from selcon_ros.core.errors import SelconError
from selcon_ros.ros.action_topics import MAX_ACTIONS, topic_names
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.inputs import IMAGE_TYPES, Input
from selcon_ros.ros.parameters import SETTINGS_FIELDS, Settings, checked
from selcon_ros.ros.publishers import LATCHED, LEGEND_TOPIC, RELIABLE
from selcon_ros.ros.running_nodes import ANSWER_SECONDS, NodeStatus, node_statuses
from selcon_ros.ros.target_frame import TargetFrameLookup

MAX_MESSAGES = 12
"""Messages of a topic that are kept: what belongs to one image comes within a few of the next."""
MAX_IMAGE_BYTES = 256 << 20
"""Of camera images that are kept, at most; but always `MAX_MESSAGES`."""
MAX_IMAGES = 60
PERIOD_SECONDS = 1.0
"""Seconds between two looks at the node's parameters and at the topics."""
RESTING_SECONDS = 3.0
"""Seconds without a viewer after which nothing is received any more, so that the node may rest, too."""
PER_ACTION_TYPES: dict[str, type] = {
    "heatmap": Image,
    "grasp_points": PoseArray,
    "grasp_pixels": PolygonStamped,
}
Stamp = int


def stamp_of(header: Header) -> Stamp:
    """A header's stamp in ns."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


class LastMessages(OrderedDict[Stamp, Any]):
    """The last messages of a topic by their stamps."""

    def put(self, stamp: Stamp, message: Any, most: int = MAX_MESSAGES) -> None:
        """Add one, and let go of the oldest if there are more than `most`."""
        self[stamp] = message
        self.move_to_end(stamp)
        while len(self) > most:
            self.popitem(last=False)


class NodeListener:
    """Subscriptions and clients of one grounding node. Its methods are for the executor's thread.

    What it has heard is read by another thread, which holds `changed`.
    """

    def __init__(self, node: Node, name: str, settings: Settings) -> None:
        """Subscribe to what does not depend on the actions.

        `node` is our own, on which `image`, `depth` and `camera_info` are the camera's topics. `name` is the
        full name of the grounding node, and `settings` the parameters that it has at present.
        """
        self.changed = threading.Condition()
        self.settings, self.node_status, self.heard_at = settings, None, time.monotonic()
        self.known: tuple[str, ...] = ()
        self.images, self.statuses, self.overlays = LastMessages(), LastMessages(), LastMessages()
        self.of_action: dict[tuple[str, str], LastMessages] = {}
        self.refused = ""
        self.wanted_at = time.monotonic()
        self._node, self._name = node, name
        self._prefix = name.rpartition("/")[0]
        self.health = Health(node.get_logger())
        transport = settings.image_transport
        self._image = Input(node, "image", IMAGE_TYPES[transport], self._on_image, 5, transport=transport)
        self.depth = DepthSync(node, self.health, settings)
        self.image_topic = self._image.topic
        self._subscriptions: dict[tuple[str, str], Any] = {}
        self._asked: dict[str, Any] = {}
        self._lookups: dict[str, TargetFrameLookup] = {}
        self._lookups_wanted: set[str] = set()
        self._looked = 0.0
        self._requested, self._answer = 0.0, None
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        node.create_subscription(String, f"{self._prefix}/{LEGEND_TOPIC}", self._on_legend, LATCHED)
        self._set: Any = node.create_client(SetParameters, f"{name}/set_parameters")
        self._get: Any = node.create_client(GetParameters, f"{name}/get_parameters")

    _answer: Any
    """To the last request for the node's parameters, at `_requested`."""
    node_status: NodeStatus | None
    """What the node said last of itself, at `heard_at`."""

    # Any thread.

    def ask(self, parameters: Mapping[str, Any]) -> None:
        """Have parameters of the node set, soon."""
        with self.changed:
            self._asked |= parameters

    def lookup(self, target: str) -> TargetFrameLookup | None:
        """What finds frames seen from this one; None until that listens to transforms, soon."""
        with self.changed:
            self._lookups_wanted.add(target)
        return self._lookups.get(target)

    def actions_of(self, status: DiagnosticArray) -> tuple[str, ...]:
        """The actions that a status message is about; those that have no topics of their own are left out."""
        return tuple(_values(each).get("action", "") for each in status.status)[:MAX_ACTIONS]

    def heard_of(self, kind: str, actions: tuple[str, ...], action: str) -> LastMessages:
        """The messages of a kind about one of these actions."""
        return self.of_action.get((kind, action if len(actions) > 1 else ""), LastMessages())

    # The executor's thread.

    def tend(self) -> None:
        """Do what is due: subscriptions, and requests to the node."""
        resting = time.monotonic() - self.wanted_at > RESTING_SECONDS
        self._subscribe({} if resting else self._wanted())
        for each in (self._image, *self.depth.inputs):
            if resting and not each.paused:
                each.pause()
            elif not resting and each.paused:
                each.resume()
        with self.changed:
            asked, self._asked = self._asked, {}
            wanted = self._lookups_wanted - self._lookups.keys()
        for target in wanted:
            self._lookups[target] = TargetFrameLookup(self._node, self.health, target)
        if asked:
            self._send(asked)
        if time.monotonic() - self._looked >= PERIOD_SECONDS:
            self._looked = time.monotonic()
            for each in (self._image, *self.depth.inputs):
                each.look()
            self._look_at_parameters()

    def _wanted(self) -> dict[tuple[str, str], tuple[type, str, Callable[[Any], None]]]:
        """The subscriptions of the present actions: type, topic and callback."""
        found: dict[tuple[str, str], tuple[type, str, Callable[[Any], None]]] = {
            ("status", ""): (DiagnosticArray, "status", self._keeper(self.statuses)),
            ("overlay", ""): (Image, "overlay", self._keeper(self.overlays)),
        }
        newest = next(reversed(self.statuses.values()), None)
        actions = () if newest is None else self.actions_of(newest)
        names = topic_names(self.known)
        several = [action for action in actions if action in names] if len(actions) > 1 else []
        for kind, message in PER_ACTION_TYPES.items():
            for action in several or [""]:
                topic = f"{kind}/{names[action]}" if action else kind
                kept = self.of_action.setdefault((kind, action), LastMessages())
                found[kind, action] = (message, topic, self._keeper(kept))
        return found

    def _subscribe(self, wanted: Mapping[tuple[str, str], tuple[type, str, Callable[[Any], None]]]) -> None:
        for key in self._subscriptions.keys() - wanted.keys():
            self._node.destroy_subscription(self._subscriptions.pop(key))
            with self.changed:
                self.of_action.pop(key, None)
        for key in wanted.keys() - self._subscriptions.keys():
            kind, topic, callback = wanted[key]
            self._subscriptions[key] = self._node.create_subscription(
                kind, f"{self._prefix}/{topic}", callback, RELIABLE
            )

    def _keeper(self, kept: LastMessages) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            with self.changed:
                kept.put(stamp_of(message.header), message)
                self.changed.notify_all()

        return keep

    def _on_image(self, message: Any) -> None:
        most = min(max(MAX_MESSAGES, MAX_IMAGE_BYTES // max(1, len(message.data))), MAX_IMAGES)
        with self.changed:
            self.images.put(stamp_of(message.header), message, most)
            self.changed.notify_all()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        node_status = node_statuses(message).get(self._name)
        if node_status is not None:
            with self.changed:
                self.node_status, self.heard_at = node_status, time.monotonic()
                self.changed.notify_all()

    def _on_legend(self, message: String) -> None:
        try:
            legend = json.loads(message.data)
            known = tuple(str(legend[label]) for label in sorted(legend, key=int))
        except (ValueError, TypeError, AttributeError):
            return  # not the node's
        with self.changed:
            self.known = known
            self.changed.notify_all()

    def _send(self, asked: Mapping[str, Any]) -> None:
        """Have parameters set, each on its own: one that is refused keeps no other back."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in asked.items()]
        future = self._set.call_async(SetParameters.Request(parameters=parameters))
        future.add_done_callback(self._on_set)

    def _on_set(self, future: Any) -> None:
        results = [] if future.result() is None else future.result().results
        with self.changed:
            self.refused = "; ".join(each.reason for each in results if not each.successful)
        self._looked = 0.0

    def _look_at_parameters(self) -> None:
        if not self._get.service_is_ready():
            return
        if self._answer is not None and not self._answer.done():
            if time.monotonic() - self._requested < ANSWER_SECONDS:
                return  # the answer to the last request is on its way
            self._get.remove_pending_request(self._answer)  # it was lost
        self._requested = time.monotonic()
        self._answer = self._get.call_async(GetParameters.Request(names=list(SETTINGS_FIELDS)))
        self._answer.add_done_callback(self._on_parameters)

    def _on_parameters(self, future: Any) -> None:
        values = [] if future.result() is None else future.result().values
        if len(values) != len(SETTINGS_FIELDS):
            return  # a node of another version: rclpy leaves all out where one is not declared
        given = {
            name: parameter_value_to_python(value)
            for name, value in zip(SETTINGS_FIELDS, values, strict=True)
        }
        try:
            settings = Settings(**{name: checked(name, value) for name, value in given.items()})
        except SelconError:
            return  # of another version, too
        with self.changed:
            self.settings = settings


def _values(status: Any) -> dict[str, str]:
    return {each.key: each.value for each in status.values}
