"""Ten or twelve bits in a 16-bit encoding are suspected, and only when image after image stays below."""

import numpy as np
import pytest

from selcon_ros.ros.bit_depth import MIN_IMAGES, BitDepth
from selcon_ros.ros.conversions import image_from_message
from support.messages import compressed_image, encoded, raw_image


def images(largest: int, encoding: str = "mono16", number: int = MIN_IMAGES) -> list:
    channels = (3,) if encoding.startswith("rgb") else ()
    pixels = np.zeros((4, 6, *channels), np.uint16)
    pixels[1, 2] = largest
    if encoding == "png":
        return [compressed_image(encoded(pixels, ".png"), "mono16; png compressed ")] * number
    return [raw_image(pixels, encoding, big_endian=True)] * number


def suspicion(messages: list) -> str | None:
    depth = BitDepth()
    for message in messages:
        image_from_message(message, look=depth.look)
    return depth.suspicion


@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "bayer_rggb16", "png"])
@pytest.mark.parametrize(("largest", "bits"), [(1023, 10), (900, 10), (1024, 11), (4095, 12), (200, 8)])
def test_values_that_stay_small_are_suspected(encoding: str, largest: int, bits: int) -> None:
    said = suspicion(images(largest, encoding))
    assert said is not None and f"reach only {largest} of 65535: are these {bits} bits?" in said
    assert "A dark scene looks alike" in said


def test_nothing_is_said_before_several_images() -> None:
    assert suspicion(images(1023, number=MIN_IMAGES - 1)) is None


@pytest.mark.parametrize("largest", [0, 4096, 65535])
def test_black_images_and_those_that_use_more_bits_are_not_suspected(largest: int) -> None:
    assert suspicion(images(largest)) is None


def test_one_bright_image_ends_the_suspicion() -> None:
    assert suspicion([*images(1023), *images(50000, number=1)]) is None
    assert suspicion([*images(50000, number=1), *images(1023)]) is not None


def test_the_largest_of_all_counts() -> None:
    assert "are these 12 bits?" in str(suspicion([*images(3000, number=1), *images(1023)]))


def test_eight_bits_and_another_encoding_begin_anew() -> None:
    other = raw_image(np.zeros((4, 6), np.uint8), "mono8")
    assert suspicion([*images(1023), other]) is None
    assert suspicion([*images(1023), *images(1023, "bayer_rggb16", 1)]) is None


def test_pixels_are_not_rescaled() -> None:
    assert image_from_message(images(1023)[0]).max() == 1023 >> 8
