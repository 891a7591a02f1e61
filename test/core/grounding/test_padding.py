"""Padded images through the grounder: what is found comes back at the place where it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.preprocess import preprocess
from support.bundles import COLOURS, colour_bundle, colour_manifest

PADDED = replace(colour_manifest(), fit="pad")
SIDES = st.one_of(st.integers(1, 9), st.integers(10, 700))
SHAPES = [(480, 640), (640, 480), (120, 1200), (1200, 120), (1, 1), (1, 300), (300, 1), (2, 3)]


@pytest.fixture(scope="module")
def grounder(tmp_path_factory: pytest.TempPathFactory) -> Grounder:
    bundle = load_bundle(colour_bundle(tmp_path_factory.mktemp("bundle") / "padded", fit="pad"))
    return Grounder(bundle, open_on_cpu(bundle, CpuOptions(1)))


class Answer:
    """An engine that gives the same maps for every image."""

    def __init__(self, cam: NDArray[np.float32], affinity: NDArray[np.float32]) -> None:
        self.maps = cam[None], affinity[None]

    def run(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.maps


def marked(size: tuple[int, int], at: tuple[float, float]) -> tuple[NDArray[np.uint8], tuple[slice, slice]]:
    """Return a grey image with a red spot of a third of each side, and where that is."""
    image = np.full((*size, 3), 127, np.uint8)
    spot = []
    for length, place in zip(size, at, strict=True):
        start = round(place * (length - max(1, length // 3)))
        spot.append(slice(start, start + max(1, length // 3)))
    image[tuple(spot)] = COLOURS["cut_with"]
    return image, (spot[0], spot[1])


def check_spot(grounder: Grounder, size: tuple[int, int], at: tuple[float, float]) -> None:
    image, spot = marked(size, at)
    cells = grounder.bundle.manifest.canvas.place(size).cells
    grounding = grounder.ground(image)
    assert grounding.cam.shape == (3, *cells.size)
    heatmap = grounding.heatmap("cut_with")
    assert heatmap.values.shape == size
    if not heatmap.values.any():  # no contrast, as where all of the image is red
        assert min(cells.size) == 1 or min(size) < 3
        return
    hot = np.argwhere(heatmap.values > 0.5)
    for axis, (length, count, where) in enumerate(zip(size, cells.size, spot, strict=True)):
        middle = (hot[:, axis].min() + hot[:, axis].max()) / 2
        off = abs(middle - (where.start + where.stop - 1) / 2)
        assert off <= 0.6 * length / count + 0.5, (axis, off)
    assert grounding.confidence("cut_with") > grounding.confidence("hold")


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.2)])
def test_a_marked_spot_comes_back_where_it_was(
    grounder: Grounder, size: tuple[int, int], at: tuple[float, float]
) -> None:
    check_spot(grounder, size, at)


@given(size=st.tuples(SIDES, SIDES), at=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@settings(max_examples=60, deadline=None)
def test_wherever_it_is_in_whatever_image(
    grounder: Grounder, size: tuple[int, int], at: tuple[float, float]
) -> None:
    check_spot(grounder, size, at)


def test_an_image_of_one_colour_alone_is_found(grounder: Grounder) -> None:
    grounding = grounder.ground(np.full((1, 1, 3), COLOURS["pour"], np.uint8))
    assert grounding.cam.shape == (3, 18, 18) and grounding.confidence("pour") > 0.9
    assert grounding.heatmap("pour").values.shape == (1, 1)


@pytest.mark.parametrize("size", SHAPES)
def test_black_is_around_the_image_and_nowhere_else(size: tuple[int, int]) -> None:
    mean, std = np.array(PADDED.normalisation.mean), np.array(PADDED.normalisation.std)
    tensor = preprocess(np.full((*size, 3), (255, 128, 1), np.uint8), PADDED)[0]
    levels = tensor.transpose(1, 2, 0) * (255 * std) + 255 * mean
    pixels = PADDED.canvas.place(size).pixels
    np.testing.assert_allclose(levels[pixels.slices] - (255, 128, 1), 0, atol=1e-3)
    levels[pixels.slices] = 0
    np.testing.assert_allclose(levels, 0, atol=1e-3)


def test_the_image_is_scaled_as_a_stretched_one_of_that_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (640, 480, 3), np.uint8)
    pixels = PADDED.canvas.place((640, 480)).pixels
    stretching = replace(PADDED, fit="stretch", input_size=pixels.size, map_grid=(18, 14))
    np.testing.assert_array_equal(
        preprocess(image, PADDED)[0][(slice(None), *pixels.slices)], preprocess(image, stretching)[0]
    )


@pytest.mark.parametrize("softness", [{}, {"smoothing": 2.0, "temperature": 0.5}, {"confidence": None}])
@pytest.mark.parametrize("calibration", ["none", "continuous", "binarized"])
def test_what_is_around_the_image_counts_for_nothing(calibration: str, softness: dict[str, object]) -> None:
    """Whatever the maps are there, all is as for a stretched image that has the inner part as its maps."""
    rng = np.random.default_rng(0)
    maps = [rng.random((3, 18, 24), np.float32) for _ in range(2)]
    window = PADDED.canvas.place((640, 480)).cells
    inner = [each[(slice(None), *window.slices)].copy() for each in maps]
    for each in maps:
        kept = each[(slice(None), *window.slices)].copy()
        each[:, :, ::2], each[:, :, 1::2] = 1000, -1000
        each[(slice(None), *window.slices)] = kept
    padded = replace(PADDED, calibration=calibration, **softness)
    stretched = replace(padded, fit="stretch", map_grid=window.size)
    image = np.zeros((640, 480, 3), np.uint8)
    found, wanted = (
        Grounder(Bundle(manifest, {}, Path()), Answer(*each)).ground(image)
        for manifest, each in ((padded, maps), (stretched, inner))
    )
    for action in COLOURS:
        assert found.confidence(action) == wanted.confidence(action)
        np.testing.assert_array_equal(found.heatmap(action).values, wanted.heatmap(action).values)
