"""Rays through a lens, held against OpenCV."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.cameras.distortion import Distortion, distortion_from
from selcon_ros.core.errors import CameraError

# Of a wide lens, a colour camera of an RGB-D camera as its driver sends it, a fisheye, and a tilted sensor.
BARREL = Distortion("plumb_bob", (-0.31, 0.12, 0.001, -0.0015, -0.02))
RATIONAL = Distortion(
    "rational_polynomial",
    (-4.093397, 9.190782, -0.001254, -0.00103, -8.917246, -4.187957, 9.556831, -9.303534),
)
PRISM = Distortion(
    "rational_polynomial", (0.5, 0.2, 1e-3, -5e-4, 0.05, 0.8, 0.3, 0.08, 1e-3, -1e-3, 2e-3, 1e-3)
)
TILTED = Distortion("rational_polynomial", (*PRISM.coefficients, 0.03, -0.05))
FISHEYE = Distortion("equidistant", (0.05, -0.02, 0.01, -0.003))
LENSES = [BARREL, RATIONAL, PRISM, TILTED, FISHEYE]
K = np.eye(3)


def in_opencv(lens: Distortion, rays: np.ndarray) -> np.ndarray:
    """Return the images [N, 2] of rays [N, 2] by OpenCV."""
    coefficients = np.array(lens.coefficients)
    if lens.model == "equidistant":
        return cv2.fisheye.distortPoints(rays[:, None], K, coefficients)[:, 0]
    points = np.column_stack([rays, np.ones(len(rays))])
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, coefficients)[0][:, 0]


def grid(reach: float, count: int = 41) -> np.ndarray:
    """Return points [count^2, 2] of a square of half side `reach`."""
    line = np.linspace(-reach, reach, count)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("lens", LENSES)
def test_rays_bend_as_in_opencv_and_back(lens: Distortion) -> None:
    rays = grid(2.0 if lens.model == "equidistant" else 0.45)
    image = in_opencv(lens, rays)
    np.testing.assert_allclose(lens.distort(rays), image, atol=1e-12)
    np.testing.assert_allclose(lens.undistort(image), rays, atol=1e-9)


def coefficients(*spans: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*(st.floats(-span, span) for span in spans))


plausible = st.one_of(
    coefficients(0.5, 0.3, 0.005, 0.005).map(lambda c: Distortion("plumb_bob", c)),
    coefficients(0.5, 0.3, 0.005, 0.005, 0.2).map(lambda c: Distortion("plumb_bob", c)),
    coefficients(5, 10, 0.005, 0.005, 10, 5, 10, 10).map(lambda c: Distortion("rational_polynomial", c)),
    coefficients(1, 1, 0.005, 0.005, 1, 1, 1, 1, *(0.01,) * 4, 0.1, 0.1).map(
        lambda c: Distortion("rational_polynomial", c)
    ),
    coefficients(0.3, 0.2, 0.1, 0.05).map(lambda c: Distortion("equidistant", c)),
)


@settings(max_examples=150, deadline=None)
@given(lens=plausible, reach=st.floats(0.1, 3))
def test_a_ray_is_right_or_none(lens: Distortion, reach: float) -> None:
    """Whatever the coefficients: what has a ray is seen where OpenCV images that ray."""
    image = grid(reach, 21)
    rays = lens.undistort(image)
    found = np.isfinite(rays).all(axis=1)
    assert not np.isinf(rays).any()
    np.testing.assert_allclose(in_opencv(lens, rays[found]), image[found], atol=1e-6)
    axis = len(image) // 2
    assert not found[axis] or np.hypot(*rays[axis]) < 0.1, "the centre is not seen from the side"


@settings(max_examples=100, deadline=None)
@given(lens=plausible)
def test_what_a_lens_images_one_to_one_has_its_ray(lens: Distortion) -> None:
    """Along every direction from the axis, as long as the image moves outwards, the ray is found again."""
    radii = np.linspace(0, 0.4, 30)
    directions = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    rays = radii[:, None, None] * np.stack([np.cos(directions), np.sin(directions)], axis=-1)
    image = lens.distort(rays)
    outwards = np.diff(np.hypot(image[..., 0], image[..., 1]), axis=0).min(axis=1) > 1e-3
    good = len(outwards) if outwards.all() else int(outwards.argmin())
    np.testing.assert_allclose(lens.undistort(image[:good]), rays[:good], atol=1e-6)


def test_beyond_the_fold_of_a_barrel_there_is_no_ray() -> None:
    """r (1 - 0.5 r^2) is largest at r = sqrt(2/3): nothing is imaged beyond, and rays beyond fold back."""
    lens = Distortion("plumb_bob", (-0.5, 0.0, 0.0, 0.0))
    fold = math.sqrt(2 / 3)
    edge = fold * (1 - 0.5 * fold**2)
    assert np.isfinite(lens.undistort(np.array([0.99 * edge, 0.0]))).all()
    assert np.isnan(lens.undistort(np.array([1.01 * edge, 0.0]))).all()
    assert np.isnan(lens.distort(np.array([1.01 * fold, 0.0]))).all()


def test_past_the_pole_of_a_rational_lens_there_is_no_ray() -> None:
    assert np.isfinite(RATIONAL.distort(np.array([0.75, 0.0]))).all()
    assert np.isnan(RATIONAL.distort(np.array([0.76, 0.0]))).all()


def test_a_fisheye_sees_no_more_than_half_the_world() -> None:
    lens = Distortion("equidistant", (1e-9, 0.0, 0.0, 0.0))  # its image's radius is the ray's angle
    rays = lens.undistort(np.array([[math.radians(85), 0], [math.radians(90), 0], [math.radians(120), 0]]))
    assert rays[0] == pytest.approx((math.tan(math.radians(85)), 0))
    assert np.isnan(rays[1:]).all()


@pytest.mark.parametrize(
    ("model", "values", "is_model", "kept"),
    [
        ("plumb_bob", (-0.1, 0.0, 0.0, 0.0), "plumb_bob", 4),
        ("Fisheye", (0.1,) * 4, "equidistant", 4),
        ("equidistant", (0.1, 0.1, 0.1, 0.1, 0.0), "equidistant", 4),  # in a list of five
        ("plumb_bob", (0.1, 0, 0, 0, 0.2, 0, 0, 0), "plumb_bob", 5),
        ("rational_polynomial", (0.1,) * 8, "rational_polynomial", 8),
        ("plumb_bob", (0.1,) * 8, "rational_polynomial", 8),
        ("plumb_bob", (0.1,) * 14, "rational_polynomial", 14),
        ("rational_polynomial", (0.1,) * 5, "plumb_bob", 5),
        ("rational_polynomial", (0.1,) * 4, "plumb_bob", 4),
    ],
)
def test_the_names_and_lists_that_drivers_send(
    model: str, values: Sequence[float], is_model: str, kept: int
) -> None:
    lens = distortion_from(model, values)
    assert lens is not None and (lens.model, lens.coefficients) == (is_model, tuple(values[:kept]))


@pytest.mark.parametrize("model", ["", "plumb_bob", "rational_polynomial", "anything"])
@pytest.mark.parametrize("values", [(), (0.0,) * 5, (0.0,) * 3])
def test_no_distortion_is_no_matter_of_models(model: str, values: Sequence[float]) -> None:
    assert distortion_from(model, values) is None


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        ("ftheta", (0.1,) * 4, "model 'ftheta' is not known, only plumb_bob, .*: calibrate"),
        ("", (0.1,) * 5, "model '' is not known"),
        ("plumb_bob", (0.1,) * 3, "plumb_bob has 3 coefficients, not 4 or 5: calibrate"),
        ("plumb_bob", (0.1,) * 7, "plumb_bob has 7 coefficients, not 4 or 5"),
        ("rational_polynomial", (0.1,) * 6, "rational_polynomial has 6 coefficients, not 8 or 12 or 14"),
        ("equidistant", (0.1,) * 5, "equidistant has 5 coefficients, not 4"),
        ("equidistant", (0.0,) * 4, "'equidistant' has only zeros, .*: for a fisheye set"),
        ("Fisheye", (0.0,) * 4, "'Fisheye' has only zeros"),
        ("plumb_bob", (0.1, math.nan, 0, 0), "a coefficient of the lens distortion plumb_bob is nan"),
        ("plumb_bob", (math.inf, 0, 0, 0), "plumb_bob is inf"),
        ("rational_polynomial", (0.0,) * 13 + (1.6,), "tilts the sensor by 1.6 radians, 90 degrees or more"),
    ],
)
def test_other_distortion_is_refused_by_name(model: str, values: Sequence[float], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        distortion_from(model, values)


@given(
    st.sampled_from([("plumb_bob", 4), ("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4)]),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
)
@settings(max_examples=50, deadline=None)
def test_absurd_coefficients_give_no_ray_or_a_right_one(model: tuple[str, int], values: list[float]) -> None:
    lens = Distortion(model[0], tuple(values[: model[1]]))
    image = grid(1.0, 5)
    rays = lens.undistort(image)
    found = np.isfinite(rays).all(axis=1)
    np.testing.assert_allclose(lens.distort(rays[found]), image[found], atol=1e-6)
