"""All that the node subscribes to: when it receives, and what keeps it from receiving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from selcon_ros.ros.camera_watch import CameraWatch
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.inputs import IMAGE_TYPES, RELIABLE, Input
from selcon_ros.ros.message_buffers import LatestSlot
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.target_frame import TargetFrameLookup


class NodeInputs:
    """Image, depth, calibration, action and transforms. Used in the executor's thread."""

    def __init__(
        self,
        node: Node,
        health: Health,
        settings: Settings,
        images: LatestSlot[Any],
        on_action: Callable[[str], None],
        outputs: Sequence[str],
    ) -> None:
        """Subscribe to all of them but transforms.

        `outputs` are the topics that the node publishes, whose QoS is looked at, too. Raises ParameterError
        for a QoS override that is none.
        """
        self.depth_sync = DepthSync(node, health, settings)
        self.target_frame = TargetFrameLookup(node, health, settings.target_frame)
        kind, transport = IMAGE_TYPES[settings.image_transport], settings.image_transport
        self.image = Input(node, "image", kind, images.put, depth=1, transport=transport)
        self.action = Input(
            node, "action", String, lambda said: on_action(said.data), depth=1, reliability=RELIABLE
        )
        self.watch = CameraWatch(node, health, self.image, (*self.depth_sync.inputs, self.action), outputs)
        self._settings = settings
        self._subscribed, self._needed = True, False

    @property
    def depth(self) -> Input:
        """Of depth images."""
        return self.depth_sync.depth_input

    def subscribe(self) -> None:
        """Receive actions and transforms; `follow` decides on the rest."""
        self._subscribed = True
        self.action.resume()
        self.target_frame.subscribe()

    def unsubscribe(self) -> None:
        """Receive nothing."""
        self._subscribed = False
        for each in self.watch.inputs:
            each.pause()
        self.target_frame.unsubscribe()

    def follow(self, needed: bool) -> None:
        """Receive images and depth while they are needed, and not otherwise.

        A calibration is received until there is one: it serves until newer ones come.
        """
        self._needed = needed
        for each in (self.image, self.depth):
            if needed:
                each.resume()
            else:
                each.pause()
        if needed or (self._subscribed and not self.depth_sync.calibrated):
            self.depth_sync.info_input.resume()
        else:
            self.depth_sync.info_input.pause()

    def look(self) -> None:
        """Report what keeps messages from passing; call it now and then while the node is active."""
        self.follow(self._needed)
        self.watch.look()

    def facts(self) -> dict[str, str]:
        """The topics and what was lost on them, for /diagnostics."""
        depth, info = self.depth_sync.inputs
        return {
            "image_topic": self.image.topic,
            "depth_topic": depth.topic,
            "camera_info_topic": info.topic,
            "lost_images": str(self.image.lost),
            "lost_depth_images": str(depth.lost),
        }

    def __str__(self) -> str:
        """The topics, on three lines."""
        depth, info = self.depth_sync.inputs
        return (
            f"images from {self.image.topic} ({self._settings.image_transport})\n"
            f"depth from {depth.topic} ({self._settings.depth_transport}), camera_info from {info.topic}\n"
            f"actions from {self.action.topic}"
        )
