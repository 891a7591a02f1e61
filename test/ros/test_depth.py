"""Depth in metres from every way it is sent, and intrinsics."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import RegionOfInterest

from selcon_ros.core.cameras.distortion import Distortion
from selcon_ros.core.errors import SelconError
from selcon_ros.core.pictures.pixel_limit import PixelLimit
from selcon_ros.ros.depth import depth_from_message, intrinsics_from_message
from support.messages import camera_info, compressed_image, encoded, raw_image

MILLIMETRES = np.array([[0, 500, 1234], [65535, 1, 0]], np.uint16)
METRES = np.array([[0, 0.5, 1.234], [65.535, 0.001, 0]], np.float32)


@given(encoding=st.sampled_from(["16UC1", "mono16"]), padding=st.integers(0, 5), big_endian=st.booleans())
def test_whole_numbers_are_millimetres(encoding, padding, big_endian):
    message = raw_image(MILLIMETRES, encoding, padding, big_endian)
    np.testing.assert_allclose(depth_from_message(message), METRES, rtol=1e-6)


@given(padding=st.integers(0, 5), big_endian=st.booleans())
def test_floats_are_metres_and_what_is_no_measurement_is_nan(padding, big_endian):
    sent = np.array([[0.0, 0.5, -1.0], [np.inf, -np.inf, np.nan]], np.float32)
    depth = depth_from_message(raw_image(sent, "32FC1", padding, big_endian))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.array([[np.nan, 0.5, np.nan], [np.nan] * 3], np.float32))


def test_the_message_is_not_changed():
    message = raw_image(np.zeros((2, 2), np.float32), "32FC1")
    depth_from_message(message)
    assert bytes(message.data) == bytes(16)


@pytest.mark.parametrize("head", [b"", bytes(12)])
@pytest.mark.parametrize(
    "format",
    [
        "16UC1; png", "16UC1; png compressed", "mono16; png", "mono16", "png", "png; ", "png; compressed",
        "16UC1; compressedDepth png", "16UC1; compressedDepth",
    ],
)  # fmt: skip
def test_png_of_millimetres(format, head):
    message = compressed_image(head + encoded(MILLIMETRES, ".png"), format)
    np.testing.assert_allclose(np.nan_to_num(depth_from_message(message)), METRES, rtol=1e-6)


def test_png_of_inverse_depth():
    """image_transport's code: value = a / depth + b, 0 for nothing."""
    a, b = 100.0 * 101, 1 - 10100 / 10.0
    truth = np.array([[0.5, 1.0, 2.5], [np.nan, 9.0, 4.0]], np.float32)
    code = np.nan_to_num(np.round(a / truth + b), nan=0).astype(np.uint16)
    data = struct.pack("<iff", 0, a, b) + encoded(code, ".png")
    depth = depth_from_message(compressed_image(data, "32FC1; compressedDepth png"))
    np.testing.assert_allclose(depth, truth, rtol=2e-3)


def test_tiff_of_metres():
    """As image_transport's plugin sends floats where its format is tiff."""
    sent = np.array([[0.0, 0.5, 1.25], [np.inf, -1.0, np.nan]], np.float32)
    depth = depth_from_message(compressed_image(encoded(sent, ".tiff"), "32FC1; tiff compressed "))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.array([[np.nan, 0.5, 1.25], [np.nan] * 3], np.float32))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (raw_image(np.zeros((2, 2, 3), np.uint8), "rgb8"), "unknown depth encoding 'rgb8'; known are 16UC1"),
        (raw_image(np.zeros((2, 2), np.float64), "64FC1"), "unknown depth encoding '64FC1'"),
        (compressed_image(bytes(30), "16UC1; compressedDepth rvl"), "only PNG is known"),
        (compressed_image(encoded(MILLIMETRES, ".png"), "32FC1; png"), "decodes to uint16 .*32FC1 in TIFF"),
        (compressed_image(encoded(METRES, ".tiff"), "16UC1; tiff compressed "), "decodes to float32 with"),
        (compressed_image(encoded(MILLIMETRES, ".png"), "jpeg"), "unknown compressed depth format 'jpeg'"),
        (compressed_image(encoded(MILLIMETRES, ".png")[:50], "png"), "depth image is (damaged|cut short)"),
        (
            compressed_image(encoded(np.zeros((2, 2), np.uint8), ".png"), "16UC1; png"),
            "of format '16UC1; png', decodes to uint8 .*one channel, of 16 bits",
        ),
        (compressed_image(encoded(np.zeros((2, 2), np.uint8), ".png"), "png"), "one channel, of 16 bits"),
        (compressed_image(encoded(np.zeros((2, 2, 3), np.uint16), ".png"), "png"), "one channel, of 16 bits"),
        (compressed_image(encoded(np.zeros((2, 2), np.uint8), ".jpg"), "16UC1; jpeg compressed "), "16 bits"),
        (compressed_image(b"", "16UC1; png"), "the compressed depth image is empty"),
    ],
)
def test_other_depth_is_refused(message, says):
    with pytest.raises(SelconError, match=says):
        depth_from_message(message)


@pytest.mark.parametrize(
    "message", [raw_image(MILLIMETRES, "16UC1"), compressed_image(encoded(MILLIMETRES, ".png"), "png")]
)
def test_depth_over_the_limit_is_refused(message):
    assert depth_from_message(message, PixelLimit(6)).shape == MILLIMETRES.shape
    with pytest.raises(SelconError, match="depth image has 3 x 2 pixels; at most 5 are read"):
        depth_from_message(message, PixelLimit(5))


def test_truncated_depth_is_named():
    message = raw_image(MILLIMETRES, "16UC1")
    message.data = message.data[:-1]
    with pytest.raises(SelconError, match="the depth image is truncated"):
        depth_from_message(message)


def test_intrinsics_are_k_or_p():
    info = camera_info(640, 480, 600.0)
    info.p[0] = info.p[5] = 580.0
    assert intrinsics_from_message(info).fx == 600.0
    assert type(intrinsics_from_message(info).fx) is float, "numpy's warn where they overflow"
    rectified = intrinsics_from_message(info, rectified=True)
    assert (rectified.fx, rectified.fy, rectified.cx, rectified.width) == (580.0, 580.0, 319.5, 640)


def test_a_projection_by_columns_is_refused():
    info = camera_info(640, 480, 600.0)
    info.p = [580.0, 0.0, 0.0, 0.0, 0.0, 580.0, 0.0, 0.0, 320.0, 240.0, 1.0, 0.0]
    with pytest.raises(SelconError, match="P in camera_info is .*'320', '240'.*row by row"):
        intrinsics_from_message(info, rectified=True)


def test_a_trace_of_skew_and_a_baseline_do_no_harm():
    info = camera_info(640, 480, 600.0)
    info.k[1], info.p[3] = 0.2, -42.0
    assert intrinsics_from_message(info) == intrinsics_from_message(info, rectified=True)


def test_binning_and_region_of_interest():
    info = camera_info(640, 480, 600.0)
    info.binning_x = info.binning_y = 2
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 80, 400, 320
    found = intrinsics_from_message(info)
    assert (found.width, found.height, found.fx, found.fy) == (200, 160, 300.0, 300.0)
    # The full image's centre lies 219.5 - 0 pixels into the region; binned pixels are twice as large.
    assert found.cx == pytest.approx((319.5 - 100 + 0.5) / 2 - 0.5)
    assert found.cy == pytest.approx((239.5 - 80 + 0.5) / 2 - 0.5)


def test_a_raw_image_has_its_lens_s_distortion():
    info = camera_info(640, 480, 600.0)
    info.distortion_model, info.d = "plumb_bob", [-0.2, 0.05, 0.001, -0.002, 0.0]
    assert intrinsics_from_message(info).distortion == Distortion("plumb_bob", tuple(info.d))
    assert intrinsics_from_message(info, rectified=True).distortion is None
    info.d = [0.0] * 5
    assert intrinsics_from_message(info).distortion is None


def test_binned_and_cropped_a_pixel_keeps_its_ray():
    """A pixel's ray is that of its middle in the whole image."""
    info = camera_info(640, 480, 300.0)
    info.distortion_model, info.d = "plumb_bob", [-0.2, 0.05, 0.001, -0.002, 0.0]
    whole = intrinsics_from_message(info)
    info.binning_x, info.binning_y = 2, 4
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 80, 400, 320
    part = intrinsics_from_message(info)
    assert (part.width, part.height) == (200, 80)
    x, y = part.rays(np.array([0, 150]), np.array([0, 70]))
    for column, u in enumerate((0, 150)):
        for row, v in enumerate((0, 70)):
            ray = np.array([x[row, column], y[row, column], 1.0])
            middle = (100 + 2 * u + 0.5, 80 + 4 * v + 1.5)
            assert whole.project(ray) == pytest.approx(middle, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 4_000_000_000}, "do not belong to an image of 4000000000x480"),
        ({"k": [1e-38, 0, 320, 0, 600, 240, 0, 0, 1]}, "fx = 1e-38"),
        ({"k": [600, 0, 0, 0, 600, 0, 0, 0, 1]}, "cx and cy are 0, the image's corner"),
        ({"k": [600, 0, 0, 0, 600, 0, 320, 240, 1]}, "K in camera_info is .*'320', '240', '1'.*row by row"),
        ({"k": [600, 5, 320, 0, 600, 240, 0, 0, 1]}, "K in camera_info is .*without skew"),
        ({"k": [20, 0, 320, 0, 600, 240, 0, 0, 1]}, "fx is 20: .* must be from 32 to 64000"),
        ({"k": [600, 0, 1e10, 0, 600, 240, 0, 0, 1]}, "cx = 1e[+]10"),
        ({"k": [600, 0, 320, 0, 600, 24000, 0, 0, 1]}, "cy is 24000"),
        ({"k": [600, 0, 320, 0, 1e300, 240, 0, 0, 1]}, "fy is 1e[+]300"),
        ({"distortion_model": "thin", "d": [0.1] * 5}, "model 'thin' is not known"),
        ({"distortion_model": "plumb_bob", "d": [0.1] * 3}, "plumb_bob has 3 coefficients, not 4 or 5"),
        ({"distortion_model": "plumb_bob", "d": [float("nan")] * 5}, "plumb_bob is nan"),
        ({"roi": RegionOfInterest(x_offset=500, width=200, height=480)}, "region of interest, 200 x 480"),
    ],
)
def test_a_calibration_of_no_camera_is_refused(changes, says):
    info = camera_info(640, 480)
    for name, value in changes.items():
        setattr(info, name, value)
    with pytest.raises(SelconError, match=says):
        intrinsics_from_message(info)


@pytest.mark.parametrize(
    ("index", "value"), [(0, 0.0), (4, 0.0), (0, float("nan")), (2, float("inf")), (0, -600.0)]
)
def test_an_uncalibrated_camera_is_named(index, value):
    info = camera_info(640, 480)
    info.k[index] = value
    with pytest.raises(SelconError, match="the camera is not calibrated: K in camera_info has fx"):
        intrinsics_from_message(info)


def test_a_calibration_without_a_size_is_refused():
    with pytest.raises(SelconError, match="0x0"):
        intrinsics_from_message(camera_info(0, 0))
