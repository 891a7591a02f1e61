"""The turn that shows a camera's images upright."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.cameras.upright import UprightTurn
from selcon_ros.core.pictures.orientation import TURNS, clockwise

ANGLES = st.floats(-360, 360)


def leaning(degrees: float) -> tuple[float, float, float]:
    """Up, so many degrees clockwise from the image's top."""
    return math.sin(math.radians(degrees)), -math.cos(math.radians(degrees)), 0.0


def tilted(degrees: float, from_axis: float, ahead: float) -> tuple[float, float, float]:
    """Up, so many degrees from the optical axis."""
    share = math.tan(math.radians(from_axis))
    right, down, _ = leaning(degrees)
    return right * share, down * share, ahead


@pytest.mark.parametrize("turn", TURNS)
def test_the_turned_image_has_up_at_its_top(turn: int) -> None:
    """An image with a white edge where up is: turned by what is said, the edge is the first row."""
    image = np.zeros((5, 5, 3), np.uint8)
    right, down, _ = (round(each) for each in leaning(-turn))
    image[2 + 2 * down, 2 + 2 * right] = 255
    said = UprightTurn().of((right, down, 0.3), otherwise=90)
    assert said == turn and clockwise(image, said)[0, 2].all()


@given(ANGLES)
def test_the_first_turn_is_the_nearest(angle: float) -> None:
    turn = UprightTurn().of(leaning(angle), otherwise=0)
    assert turn in TURNS and abs(math.remainder(angle + turn, 360)) <= 45 + 1e-6


@given(st.sampled_from(TURNS), st.floats(-54.9, 54.9))
def test_a_turn_is_kept_while_the_camera_wobbles(turn: int, off: float) -> None:
    upright = UprightTurn()
    assert upright.of(leaning(-turn), 0) == turn
    assert upright.of(leaning(-turn + off), 0) == turn


@given(st.sampled_from(TURNS), st.sampled_from((-1, 1)), st.floats(55.1, 134))
def test_further_off_the_next_turn_is_taken(turn: int, side: int, off: float) -> None:
    upright = UprightTurn()
    upright.of(leaning(-turn), 0)
    assert upright.of(leaning(-turn - side * off), 0) == (turn + side * 90) % 360


@given(st.sampled_from(TURNS), ANGLES, st.sampled_from((-1.0, 1.0)))
def test_straight_down_has_no_upright_and_keeps_what_was(otherwise: int, angle: float, ahead: float) -> None:
    steep = tilted(angle, 19, ahead)
    assert UprightTurn().of(steep, otherwise) == otherwise
    upright = UprightTurn()
    last = upright.of(leaning(-180), otherwise)
    assert upright.of(steep, otherwise) == last == 180
    less = UprightTurn().of(tilted(angle, 21, ahead), otherwise)
    assert abs(math.remainder(angle + less, 360)) <= 45 + 1e-6
