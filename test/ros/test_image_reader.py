"""What is learnt from one image to the next: who converts it, and whether its values use all their bits."""

import numpy as np
import pytest

from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT
from selcon_ros.ros import image_reader
from selcon_ros.ros.bit_depth import MIN_IMAGES
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.image_reader import ImageReader
from support.messages import Lines, raw_image

FEW = raw_image(np.full((4, 6), 1023, np.uint16), "mono16")
FULL = raw_image(np.full((4, 6), 65535, np.uint16), "mono16")
EIGHT = raw_image(np.full((4, 6, 3), 255, np.uint8), "rgb8")


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.mark.parametrize("after", [FULL, EIGHT])
def test_few_bits_are_a_lasting_problem_that_is_logged_once(log: Lines, after) -> None:
    health = Health(log)
    reader = ImageReader(health, log)
    for _ in range(MIN_IMAGES - 1):
        reader.read(FEW, DEFAULT_LIMIT)
    assert health.problems == {}
    for _ in range(3):
        reader.read(FEW, DEFAULT_LIMIT)
        assert list(health.problems) == ["image values"]
    assert len(log.said) == 1 and "are these 10 bits?" in log.said[0]
    reader.read(after, DEFAULT_LIMIT)
    assert health.problems == {}


def test_who_converts_is_logged_and_asked(log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = np.zeros((4, 6, 3), np.uint8)
    found = (lambda message: mine if message.encoding == "rgb8" else None), "converted by cv_bridge"
    monkeypatch.setattr(image_reader, "find_bridge", lambda: found)
    reader = ImageReader(Health(log), log)
    assert reader.read(EIGHT, DEFAULT_LIMIT).max() == 255
    reader.prepare()
    assert log.said == ["converted by cv_bridge"]
    assert reader.read(EIGHT, DEFAULT_LIMIT) is mine
    assert reader.read(FULL, DEFAULT_LIMIT).max() == 255
