"""Where an image lies in the network's input and in its maps: stretched over all of it, or padded."""

from dataclasses import dataclass
from typing import Literal

Fit = Literal["stretch", "pad"]
"""stretch: the image's sides are scaled apart. pad: it keeps its aspect ratio, and black is around it."""
Size = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels or cells."""

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns, to index an array [h, w] with."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Placement:
    """What an image covers: `pixels` of the network's input, which are `cells` of its maps."""

    pixels: Window
    cells: Window


@dataclass(frozen=True)
class Canvas:
    """The network's input (h, w) and its map grid (gh, gw), with how an image is brought onto them.

    With fit "pad" the sides of the input must be multiples of those of the map grid.
    """

    input_size: Size
    map_grid: Size
    fit: Fit = "stretch"

    @property
    def whole_cells(self) -> bool:
        """Whether a map cell is a whole number of pixels, as padding needs it."""
        return all(side % cells == 0 for side, cells in zip(self.input_size, self.map_grid, strict=True))

    def place(self, size: Size) -> Placement:
        """Return what an image of `size` (H, W) covers.

        Padded, it fills one side of the input and lies in the middle of the other. There it covers whole
        cells, at least one, so that its part of the maps can be cut out. It keeps its aspect ratio but for
        that rounding. An odd cell is left over on the right or below.
        """
        if self.fit == "stretch":
            return Placement(Window(0, 0, *self.input_size), Window(0, 0, *self.map_grid))
        (height, width), (rows, columns) = self.input_size, self.map_grid
        # In whole numbers, the same on every machine: H / h against W / w.
        upright, lying = size[0] * width, size[1] * height
        covered = rows, columns
        if upright > lying:
            covered = rows, _share(columns, lying, upright)
        elif lying > upright:
            covered = _share(rows, upright, lying), columns
        cells = Window((rows - covered[0]) // 2, (columns - covered[1]) // 2, *covered)
        down, right = height // rows, width // columns
        pixels = Window(cells.top * down, cells.left * right, cells.height * down, cells.width * right)
        return Placement(pixels, cells)


def _share(cells: int, part: int, whole: int) -> int:
    """Return `cells` * `part` / `whole`, rounded (a half up), at least 1."""
    return max(1, (2 * cells * part + whole) // (2 * whole))
