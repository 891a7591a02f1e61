"""Pixels are copied where docs/architecture.md says so ("Copies of pixels"), and nowhere else."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from rclpy.logging import get_logger
from sensor_msgs.msg import Image

from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.heatmap import CoarseHeatmap, upsample
from selcon_ros.core.grounding.preprocess import fitted
from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT
from selcon_ros.model import load
from selcon_ros.ros.conversions import fill_image, image_from_message
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.image_reader import ImageReader
from selcon_ros.ros.message_buffers import Received
from support.messages import header, raw_image

SIZE = (480, 640)
SMALL = 100_000
"""Bytes: a third of an image of that size with one byte a pixel."""


@contextmanager
def allocates_less_than(limit: int) -> Iterator[None]:
    """What Python and numpy allocate inside stays below so many bytes at any moment."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def test_an_rgb8_image_is_a_view_of_its_message(picture):
    message = raw_image(picture, "rgb8")
    with allocates_less_than(SMALL):
        pixels = image_from_message(message)
    assert np.shares_memory(pixels, np.frombuffer(message.data, np.uint8))
    np.testing.assert_array_equal(pixels, picture)


def test_the_engine_reads_the_message_itself(bundle, picture):
    class Watched:
        def __init__(self, engine):
            self.engine, self.given = engine, []

        def run(self, frames):
            self.given.append(frames)
            return self.engine.run(frames)

    message = raw_image(picture, "rgb8")
    with load(bundle) as model:
        watched = Watched(model.backend)
        log = get_logger("test")
        reader = ImageReader(Health(log), log)
        image, _, _ = reader.ground(Grounder(model.bundle, watched), Received(message), DEFAULT_LIMIT)
        memory = np.frombuffer(message.data, np.uint8)
        (frames,) = watched.given
        assert np.shares_memory(frames, memory) and np.shares_memory(image, memory)
        canvas = model.bundle.manifest.canvas
        values = 3 * canvas.input_size[0] * canvas.input_size[1]
        with allocates_less_than(values + SMALL):
            fitted(image, canvas)
        with allocates_less_than(5 * values + SMALL):  # bytes of uint8 and of float32
            model.backend.run(frames)


def test_a_heatmap_is_made_where_it_stays_and_copied_once_into_used_memory():
    cells = np.random.default_rng(1).random((18, 24), np.float32)
    message = Image()
    fill_image(message, upsample(cells, *SIZE), "32FC1", header())  # from now on there is memory to use again
    memory = np.frombuffer(message.data, np.uint8)
    with allocates_less_than(SMALL):
        heat = upsample(cells, *SIZE)
        fill_image(message, heat, "32FC1", header())
    assert np.shares_memory(memory, np.frombuffer(message.data, np.uint8))
    assert not np.shares_memory(heat, memory)  # the frame keeps its own
    np.testing.assert_array_equal(np.frombuffer(message.data, np.float32).reshape(SIZE), heat)


def test_grasp_points_are_found_without_a_heatmap_of_the_images_size():
    cells = np.zeros((18, 24), np.float32)
    cells[8:10, 11:13] = 1
    heatmap = CoarseHeatmap("hold", cells, *SIZE, confidence=0.9)
    find_grasps(heatmap)  # tables of this size are made once
    with allocates_less_than(SIZE[0] * SIZE[1]):
        assert find_grasps(heatmap).points
