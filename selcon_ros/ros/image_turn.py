"""By how much each image is turned before the network sees it: `image_turn`, or by tf if that is asked."""

from __future__ import annotations

from std_msgs.msg import Header

from selcon_ros.core.cameras.upright import UprightTurn
from selcon_ros.core.errors import CameraError
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.target_frame import TargetFrameLookup

PROBLEM_SOURCE = "image_turn_by_tf"


class ImageTurn:
    """The turn of one image after another, used by one thread; `now` is the last one, for any thread."""

    def __init__(self, health: Health, target_frame: TargetFrameLookup) -> None:
        self._health, self._target_frame = health, target_frame
        self._upright = UprightTurn()
        self.now: int | None = None

    def of(self, header: Header, settings: Settings) -> int:
        """Return by how many degrees clockwise an image is turned: 0, 90, 180 or 270.

        Where the transform is missing, that is reported, and it is `image_turn`.
        """
        self.now = self._of(header, settings)
        return self.now

    def forget(self) -> None:
        """Begin anew with the next image."""
        self._upright, self.now = UprightTurn(), None

    def _of(self, header: Header, settings: Settings) -> int:
        if not settings.image_turn_by_tf:
            self._upright = UprightTurn()
            self._health.solved(PROBLEM_SOURCE)
            return settings.image_turn
        try:
            camera = self._target_frame.nearest(header)
        except CameraError as error:
            text = f"images are turned by image_turn ({settings.image_turn} degrees): {error}"
            self._health.problem(PROBLEM_SOURCE, text)
            return settings.image_turn
        self._health.solved(PROBLEM_SOURCE)
        # The last row of its rotation: the target frame's z as the camera sees it.
        return self._upright.of(camera.matrix[2].tolist(), settings.image_turn)
