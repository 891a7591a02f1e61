"""From the messages of the image topic to pictures, with what is learnt from one message to the next."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image

from selcon_ros.core.pixel_limit import PixelLimit
from selcon_ros.ros.bit_depth import BitDepth
from selcon_ros.ros.bridge import Bridge, find_bridge
from selcon_ros.ros.conversions import Pixels, image_from_message
from selcon_ros.ros.diagnostics import Health


class ImageReader:
    """Decodes images; used by one thread."""

    def __init__(self, health: Health, logger: RcutilsLogger) -> None:
        self._health = health
        self._logger = logger
        self._depth = BitDepth()
        self._bridge: Bridge | None = None

    def prepare(self) -> None:
        """Find out whether cv_bridge works, for raw images; this may take seconds."""
        self._bridge, words = find_bridge()
        self._logger.info(words)

    def read(self, message: Image | CompressedImage, limit: PixelLimit) -> Pixels:
        """Decode an image as `image_from_message` does, and say if 16-bit values look like fewer bits.

        :raises MessageError: for an image that cannot be used
        """
        pixels = image_from_message(message, limit, self._depth.look, self._bridge)
        if (suspicion := self._depth.suspicion) is not None:
            self._health.problem("image values", suspicion, every=float("inf"))
        else:
            self._health.solved("image values")
        return pixels
