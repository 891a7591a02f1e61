"""Where padded images lie in the network's input and maps, as numbers alone."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.grounding.placement import Canvas, Window

SIDES = st.one_of(st.integers(1, 50), st.integers(1, 20_000))
SIZES = st.tuples(SIDES, SIDES)
CANVASES = st.builds(
    lambda grid, step: Canvas((grid[0] * step[0], grid[1] * step[1]), grid, "pad"),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 16), st.integers(1, 16)),
)
WIDE = Canvas((288, 384), (18, 24), "pad")


@given(canvas=CANVASES, size=SIZES)
def test_an_image_covers_whole_cells_in_the_middle_and_fills_a_side(
    canvas: Canvas, size: tuple[int, int]
) -> None:
    placement = canvas.place(size)
    cells, pixels = placement.cells, placement.pixels
    sides = zip(
        canvas.input_size,
        canvas.map_grid,
        ((cells.top, cells.height), (cells.left, cells.width)),
        ((pixels.top, pixels.height), (pixels.left, pixels.width)),
        strict=True,
    )
    for side, count, (start, covered), in_pixels in sides:
        step = side // count
        assert in_pixels == (start * step, covered * step)
        assert 1 <= covered <= count
        assert 0 <= count - covered - 2 * start <= 1  # the odd cell is after it
    assert cells.height == canvas.map_grid[0] or cells.width == canvas.map_grid[1]


@given(canvas=CANVASES, size=SIZES)
def test_the_aspect_ratio_is_kept_to_half_a_cell(canvas: Canvas, size: tuple[int, int]) -> None:
    pixels = canvas.place(size).pixels
    scale = min(Fraction(side, length) for side, length in zip(canvas.input_size, size, strict=True))
    for side, count, length, covered in zip(
        canvas.input_size, canvas.map_grid, size, pixels.size, strict=True
    ):
        cell = Fraction(side, count)
        assert abs(covered - scale * length) <= cell / 2 or covered == cell > scale * length


@given(canvas=CANVASES, times=st.integers(1, 9))
def test_an_image_of_the_inputs_aspect_ratio_covers_it_all(canvas: Canvas, times: int) -> None:
    height, width = canvas.input_size
    placement = canvas.place((height * times, width * times))
    assert placement.pixels == Window(0, 0, height, width)
    assert placement.cells == Window(0, 0, *canvas.map_grid)


@given(canvas=CANVASES, size=SIZES)
def test_stretched_images_cover_it_all(canvas: Canvas, size: tuple[int, int]) -> None:
    stretched = Canvas(canvas.input_size, canvas.map_grid).place(size)
    assert stretched.pixels.size == canvas.input_size and stretched.cells.size == canvas.map_grid


@pytest.mark.parametrize(
    ("size", "cells"),
    [
        ((480, 640), Window(0, 0, 18, 24)),
        ((640, 480), Window(0, 5, 18, 14)),  # 13.5 cells wide
        ((720, 1280), Window(2, 0, 14, 24)),  # 13.5 cells high
        ((100, 1000), Window(8, 0, 2, 24)),
        ((1000, 100), Window(0, 11, 18, 2)),
        ((1, 1), Window(0, 3, 18, 18)),
        ((1, 1000), Window(8, 0, 1, 24)),
        ((1000, 1), Window(0, 11, 18, 1)),
    ],
)
def test_known_images(size: tuple[int, int], cells: Window) -> None:
    assert WIDE.place(size).cells == cells


def test_cells_of_part_of_a_pixel_are_told() -> None:
    assert WIDE.whole_cells and not Canvas((288, 384), (18, 25), "pad").whole_cells
