"""The outputs for planners: the affording part as a mask, and the camera's points with their heat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.cloud import Cloud, organised_cloud, part_mask
from selcon_ros.ros.cloud_message import cloud_message
from selcon_ros.ros.conversions import fill_image
from selcon_ros.ros.depth import Depth
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.target_frame import PoseFrame

EMPTY_CLOUD = Cloud(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8), np.empty(0, np.float32))


class PlannerOutputs:
    """Publishes `mask` and `cloud`; each is computed only while somebody listens to it."""

    def __init__(self, advertise: Callable[[type, str], Publisher[Any]]) -> None:
        """Advertise both. `advertise` makes the publisher of a type on a topic."""
        self._mask, self._cloud = advertise(Image, "mask"), advertise(PointCloud2, "cloud")
        self._mask_message = Image()

    @property
    def publishers(self) -> tuple[Publisher[Any], Publisher[Any]]:
        """Of the two topics."""
        return self._mask, self._cloud

    @property
    def have_subscribers(self) -> bool:
        """Somebody listens to one of them."""
        return any(publisher.get_subscription_count() > 0 for publisher in self.publishers)

    def prepare(
        self,
        image: npt.NDArray[np.uint8],
        heatmap: Heatmap,
        geometry: Callable[[], tuple[Depth | None, Intrinsics | None]],
        find_pose_frame: Callable[[], PoseFrame],
        header: Header,
        settings: Settings,
    ) -> Callable[[], None]:
        """Compute what somebody listens to, and return what publishes it: one message of each for an image.

        `geometry` returns depth and calibration of the image, `find_pose_frame` the frame of the cloud. They
        are asked if somebody listens to the cloud. Where depth or calibration is missing, it is empty.
        """
        ready: list[tuple[Publisher[Any], Any]] = []
        masking = self._mask.get_subscription_count() > 0
        pointing = self._cloud.get_subscription_count() > 0
        mask = part_mask(heatmap, settings.grasp) if masking or (pointing and settings.cloud_part) else None
        if masking and mask is not None:
            pixels = np.where(mask, np.uint8(255), np.uint8(0))
            ready.append((self._mask, fill_image(self._mask_message, pixels, "mono8", header)))
        if pointing:
            depth, camera = geometry()
            part = mask if settings.cloud_part else None
            placed, organised = find_pose_frame(), settings.cloud_organised
            cloud = placed_cloud(image, heatmap, depth, camera, part, placed.rigid, organised)
            ready.append((self._cloud, cloud_message(cloud, placed.header)))

        def publish() -> None:
            for publisher, message in ready:
                publisher.publish(message)

        return publish


def placed_cloud(
    image: npt.NDArray[np.uint8],
    heatmap: Heatmap,
    depth: Depth | None,
    camera: Intrinsics | None,
    part: npt.NDArray[np.bool_] | None,
    rigid: Rigid | None,
    organised: bool,
) -> Cloud:
    """The points of an image with their heat, in the frame that `rigid` brings them to.

    `part` are the pixels [H, W] that it has; None: all. If `organised`, it has the image's rows and columns;
    else it is a list of the points that are there.
    """
    if depth is None or camera is None:
        return EMPTY_CLOUD
    cloud = organised_cloud(image, heatmap, depth, camera, part)
    cloud = cloud if organised else cloud.listed
    return cloud if rigid is None else replace(cloud, points=rigid.points(cloud.points))
