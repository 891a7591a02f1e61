"""From the messages of the image topic to pictures and what a model finds in them."""

from __future__ import annotations

from typing import Any

from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image

from selcon_ros.core.grounding.grounder import Grounding
from selcon_ros.core.pictures.pixel_limit import PixelLimit
from selcon_ros.model import Model
from selcon_ros.ros.bit_depth import BitDepth
from selcon_ros.ros.bridge import Bridge, find_bridge
from selcon_ros.ros.conversions import Pixels, image_from_message
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.message_buffers import Received


class ImageReader:
    """Decodes images and has them grounded; used by one thread."""

    def __init__(self, health: Health, logger: RcutilsLogger) -> None:
        self._health = health
        self._logger = logger
        self._depth = BitDepth()
        self._bridge: Bridge | None = None
        self._grounded: tuple[Received[Any], int, Pixels, Grounding] | None = None

    def prepare(self) -> None:
        """Find out whether cv_bridge works, for raw images; this may take seconds."""
        self._bridge, words = find_bridge()
        self._logger.info(words)

    def forget(self) -> None:
        """Let go of the last image and what was found in it."""
        self._grounded = None

    def read(self, message: Image | CompressedImage, limit: PixelLimit) -> Pixels:
        """Decode an image as `image_from_message` does, and say if 16-bit values look like fewer bits.

        Raises MessageError for an image that cannot be used.
        """
        pixels = image_from_message(message, limit, self._depth.look, self._bridge)
        if (suspicion := self._depth.suspicion) is not None:
            self._health.problem("image values", suspicion, every=float("inf"))
        else:
            self._health.solved("image values")
        return pixels

    def ground(
        self, model: Model, received: Received[Any], limit: PixelLimit, turn: int = 0
    ) -> tuple[Pixels, Grounding, float]:
        """Decode and ground an image, or find it already grounded when only the action is new.

        `turn` is as in `Grounder.ground`. Returns the image, what was found in it, and the seconds spent in
        the engine just now. Raises MessageError for an image that cannot be used.
        """
        if self._grounded is not None and self._grounded[0] is received and self._grounded[1] == turn:
            return self._grounded[2], self._grounded[3], 0.0
        image = self.read(received.message, limit)
        grounding = model.ground(image, turn)
        self._grounded = (received, turn, image, grounding)
        return image, grounding, grounding.seconds
