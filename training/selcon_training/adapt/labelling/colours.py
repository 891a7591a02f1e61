"""The colours of actions, on the page and on contact sheets."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]

_FIRST: tuple[Colour, ...] = (
    (255, 82, 82),
    (64, 196, 255),
    (255, 215, 64),
    (105, 240, 174),
    (224, 64, 251),
    (255, 145, 0),
    (124, 124, 255),
    (178, 255, 89),
)
_GOLDEN_RATIO = 0.618033988749895
"""Steps of this share of the circle of hues come nowhere near each other."""


def colour_of(place: int) -> Colour:
    """The colour (RGB 0..255) of the action at this place of a list."""
    if place < len(_FIRST):
        return _FIRST[place]
    red, green, blue = colorsys.hsv_to_rgb((place * _GOLDEN_RATIO) % 1.0, 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def hexadecimal(colour: Colour) -> str:
    """A colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
